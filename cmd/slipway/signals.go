package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// cleanUpTime is how long a cancelled command may take to cancel its solves
// and remove what it has half written. Kubernetes and CI systems kill soon
// after they ask.
const cleanUpTime = 4500 * time.Millisecond

// signalError is the cause of a context that a signal has cancelled.
type signalError struct{ signal syscall.Signal }

func (e signalError) Error() string { return "cancelled by " + signalName(e.signal) }

func (e signalError) exitCode() int { return 128 + int(e.signal) }

func signalName(s syscall.Signal) string {
	switch s {
	case syscall.SIGINT:
		return "SIGINT"
	case syscall.SIGTERM:
		return "SIGTERM"
	}
	return s.String()
}

// withSignals returns a context that SIGINT or SIGTERM cancels. A second
// signal, or a clean-up that takes too long, ends the process at once. The
// returned function stops listening.
func withSignals(parent context.Context, stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var first signalError
		select {
		case s := <-signals:
			first.signal, _ = s.(syscall.Signal) // on unix every os.Signal is one
			cancel(first)
		case <-done:
			return
		}
		select {
		case <-signals:
		case <-time.After(cleanUpTime):
			_, _ = fmt.Fprintln(stderr, "error: clean-up took too long after", first)
		case <-done:
			return
		}
		os.Exit(first.exitCode())
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		<-ended
		cancel(nil)
	}
}
