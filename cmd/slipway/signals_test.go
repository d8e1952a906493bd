package main

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/slipway-build/slipway/cmd/slipway/process"
	"github.com/slipway-build/slipway/internal/fault"
)

// TestPanicOfAGoroutine throws in a goroutine that nobody gets an error of: the
// command is cancelled before anything goes on without the goroutine's result,
// and ends with the exit code of a fault, even if it succeeds all the same.
func TestPanicOfAGoroutine(t *testing.T) {
	ctx, stop := process.WithSignals(t.Context(), io.Discard, exitCode)
	defer stop()
	var running sync.WaitGroup
	running.Go(fault.Protect(func() { panic("x") }))
	running.Wait()
	if ctx.Err() == nil {
		t.Fatal("the command goes on without the goroutine's result")
	}
	for _, err := range []error{nil, fault.With(fault.ClassCancelled, context.Cause(ctx)), errors.New("other")} {
		if got := exitCode(process.First(ctx, err)); got != exitInternal {
			t.Errorf("exit code %d after %v, want %d", got, err, exitInternal)
		}
	}
}

func TestFirstError(t *testing.T) {
	own := errors.New("own")
	if err := process.First(t.Context(), own); !errors.Is(err, own) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(process.SignalError{Signal: 15})
	if err := process.First(ctx, nil); err != nil {
		t.Errorf("a command that has succeeded before the signal took hold has the error %v", err)
	}
	if got := exitCode(process.First(ctx, own)); got != 143 {
		t.Errorf("exit code %d, want 143", got)
	}
}
