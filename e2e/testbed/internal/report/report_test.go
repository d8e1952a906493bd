package report

import (
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                    "0.0s",
		400 * time.Millisecond:               "0.4s",
		12 * time.Second:                     "12s",
		3*time.Minute + 5*time.Second:        "3m05s",
		2*time.Minute - 200*time.Millisecond: "2m00s",
		75*time.Minute + 59*time.Second:      "75m59s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %s, want %s", d, got, want)
		}
	}
}
