// Package process is what a command has of its process: signals, and standard error
// as programs inherit it.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/slipway-build/slipway/internal/fault"
)

// cleanUpTime is how long a cancelled command may take to cancel its solves
// and remove what it has half written. Kubernetes and CI systems kill soon
// after they ask.
const cleanUpTime = 4500 * time.Millisecond

// drainKey is the key of a context's *atomic.Int64: how long the command lets work go
// on after it was cancelled, before the clean-up begins, in nanoseconds.
type drainKey struct{}

// AllowDrain gives a command, whose context is of WithSignals, time in which its work
// goes on after a signal. The time for the clean-up begins after it.
func AllowDrain(ctx context.Context, d time.Duration) {
	if drain, ok := ctx.Value(drainKey{}).(*atomic.Int64); ok {
		drain.Store(int64(max(d, 0)))
	}
}

// SignalError is the cause of a context that a signal has cancelled.
type SignalError struct{ Signal syscall.Signal }

func (e SignalError) Error() string { return "cancelled by " + signalName(e.Signal) }

// ExitCode is the process's: 128 and the number of the signal.
func (e SignalError) ExitCode() int { return 128 + int(e.Signal) }

func signalName(s syscall.Signal) string {
	switch s {
	case syscall.SIGINT:
		return "SIGINT"
	case syscall.SIGTERM:
		return "SIGTERM"
	}
	return s.String()
}

// WithSignals returns a context that SIGINT, SIGTERM or a fault of the program
// itself cancels. A second signal, or a clean-up that takes too long, ends the
// process at once, with the exit code of its cause. AllowDrain is for commands that
// end their work slowly. The returned function stops listening.
func WithSignals(parent context.Context, stderr io.Writer, exitCode func(error) int) (context.Context, func()) {
	drain := new(atomic.Int64)
	ctx, cancel := context.WithCancelCause(context.WithValue(parent, drainKey{}, drain))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	faults := make(chan struct{}, 1)
	stopFaults := fault.OnPanic(func(p *fault.Panic) {
		// Before what waits for the goroutine goes on without its result.
		cancel(p)
		select {
		case faults <- struct{}{}:
		default:
		}
	})
	done := make(chan struct{})
	ended := make(chan struct{})
	go fault.Protect(func() {
		defer close(ended)
		select {
		case s := <-signals:
			var got SignalError
			got.Signal, _ = s.(syscall.Signal) // on unix every os.Signal is one
			cancel(got)
		case <-faults:
		case <-done:
			return
		}
		cause := context.Cause(ctx)
		select {
		case <-signals:
		case <-time.After(time.Duration(drain.Load()) + cleanUpTime):
			_, _ = fmt.Fprintln(stderr, "error: clean-up took too long after", cause)
		case <-done:
			return
		}
		os.Exit(exitCode(cause))
	})()
	return ctx, func() {
		signal.Stop(signals)
		stopFaults()
		close(done)
		<-ended
		cancel(nil)
	}
}

// First is the error of a command: what ended it, whatever the cancelled work
// says of itself.
func First(ctx context.Context, err error) error {
	var own *fault.Panic
	var byUser SignalError
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &own): // what has succeeded all the same is not to be trusted
		return own
	case err != nil && errors.As(cause, &byUser):
		return byUser
	}
	return err
}
