package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/cmd/slipway/process"
)

// TestReadPiped has what is in a pipe, and what never comes.
func TestReadPiped(t *testing.T) {
	for name, tt := range map[string]struct {
		text    string
		open    bool // nobody closes it
		want    string
		patient time.Duration
	}{
		"an answer":      {text: "yes\nnext\n", want: "yes", patient: time.Minute},
		"without an end": {text: "y", want: "y", patient: time.Minute},
		"nothing":        {want: "", patient: time.Minute},
		"silence":        {open: true, want: "", patient: time.Millisecond},
		"something else": {text: strings.Repeat("y", 100), want: "yyyyyyyy", patient: time.Minute},
	} {
		out, in, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(in, tt.text); err != nil {
			t.Fatal(err)
		}
		if !tt.open {
			_ = in.Close()
		}
		if got, err := process.ReadPiped(t.Context(), out, tt.patient); got != tt.want || err != nil {
			t.Errorf("%s: %q, error %v, want %q", name, got, err, tt.want)
		}
		if name == "an answer" {
			if rest, _ := io.ReadAll(out); string(rest) != "next\n" {
				t.Errorf("it has taken more than its line: %q is left", rest)
			}
		}
		_, _ = in.Close(), out.Close()
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	stopped, stop := context.WithCancelCause(t.Context())
	stop(errors.New("stopped"))
	if _, err := process.ReadPiped(stopped, out, time.Minute); err == nil || err.Error() != "stopped" {
		t.Errorf("a command that was stopped: error %v", err)
	}
}
