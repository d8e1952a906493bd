package yardstick

import (
	"testing"
	"time"
)

func TestFactor(t *testing.T) {
	for _, tt := range []struct {
		took time.Duration
		want float64
	}{{time.Second / 2, 1}, {time.Second, 1}, {3 * time.Second, 3}, {time.Hour, most}} {
		if got := factor(tt.took, time.Second); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.took, got, tt.want)
		}
	}
}

func TestScale(t *testing.T) {
	if got, least := Scale(time.Minute), time.Minute; got < least || got > most*least {
		t.Errorf("a minute is scaled to %s", got)
	}
}

func TestAtOnce(t *testing.T) {
	for _, tt := range []struct {
		cores     int
		slower    float64
		available uint64
		want      int
	}{
		{2, 1, 20 << 30, 8},
		{2, 1.5, 20 << 30, 7},
		{2, 3, 20 << 30, 5},
		{1, 10, 20 << 30, 1},
		{8, 1, 64 << 30, 32},
		{8, 1, 4 << 30, 4},
		{8, 1, 0, 1},
	} {
		if got := AtOnce(tt.cores, tt.slower, tt.available); got != tt.want {
			t.Errorf("%+v: %d", tt, got)
		}
	}
}

func TestAvailable(t *testing.T) {
	if n, err := Available(); err != nil || n < 1<<20 {
		t.Errorf("%d bytes: %v", n, err)
	}
}
