package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"

	"github.com/slipway-build/slipway/internal/fault"
)

// LostError is a connection that broke during a solve.
type LostError struct{ Err error }

// Error implements error.
func (e *LostError) Error() string { return "lost the connection to buildkitd: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *LostError) Unwrap() error { return e.Err }

// CancelledError is a request that the caller ended. It is context.Canceled, too,
// unless it is a question that was out of time.
type CancelledError struct {
	// Cause is why.
	Cause error
	// Doing says what was asked, as in "ask buildkitd for its cache"; empty for
	// a build.
	Doing string
}

// Error implements error.
func (e *CancelledError) Error() string {
	switch {
	case e.Doing == "":
		return "the build was cancelled: " + e.Cause.Error()
	case errors.Is(e.Cause, context.DeadlineExceeded):
		return e.Doing + ": not finished within its time limit"
	}
	return e.Doing + ": cancelled: " + e.Cause.Error()
}

// Unwrap returns context.Canceled and the cause; of a question that was not
// answered in time the cause alone, for nobody has cancelled that.
func (e *CancelledError) Unwrap() []error {
	if e.Doing != "" && errors.Is(e.Cause, context.DeadlineExceeded) {
		return []error{e.Cause}
	}
	return []error{context.Canceled, e.Cause}
}

// Explain gives a failed request its reason when it is not in the error: the
// caller's cancellation, as a *CancelledError, or a connection that broke, as
// a *LostError.
func Explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		var gone *LostError
		if errors.As(cause, &gone) {
			return cause
		}
		return &CancelledError{Cause: cause}
	}
	if IsLost(err) {
		return &LostError{err}
	}
	return err
}

// explainRequest is Explain for a request that is no build; doing says what it
// asks, as in "ask buildkitd for its cache".
func explainRequest(ctx context.Context, doing string, err error) error {
	err = Explain(ctx, fmt.Errorf("%s: %w", doing, err))
	if cancelled := (*CancelledError)(nil); errors.As(err, &cancelled) {
		return &CancelledError{Cause: cancelled.Cause, Doing: doing}
	}
	return err
}

// IsLost reports whether the daemon or the way to it broke. A solve that the
// daemon cancelled by itself was ended by its shutdown.
func IsLost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || unreachable(err)
}

// unreachable is IsLost without what a content that ends too early is, too.
func unreachable(err error) bool {
	var network *net.OpError
	if errors.As(err, &network) || errors.Is(err, errOneConnection) || errdefs.IsUnavailable(err) || errdefs.IsCanceled(err) {
		return true
	}
	code := grpcerrors.Code(err)
	return code == codes.Unavailable || code == codes.Canceled
}

// Guard watches the connection while a solve runs: it closes it when the
// daemon has fallen silent, and when a cancelled solve does not end in time.
// The returned function ends the watch.
func (d *Daemon) Guard(ctx context.Context, cancel context.CancelCauseFunc) func() {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(fault.Protect(func() {
		ticker := time.NewTicker(d.MaxSilence / 9)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				if silence := d.conn.silence(); silence > d.MaxSilence {
					cancel(&LostError{Err: fmt.Errorf("it has been silent for %s", silence.Round(time.Second))})
				}
			case <-ctx.Done():
				grace := time.NewTimer(d.CancelGrace)
				defer grace.Stop()
				select {
				case <-done:
				case <-grace.C:
					_ = d.conn.Close()
				}
				return
			}
		}
	}))
	return func() {
		close(done)
		running.Wait()
	}
}
