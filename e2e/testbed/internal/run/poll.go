package run

import (
	"context"
	"fmt"
	"time"
)

// Poll asks until done says yes, fails for good, or the deadline passes; the
// last reason for waiting is then part of the error. It is for states that
// nothing announces: a socket that will listen, a mount that will go.
func Poll(ctx context.Context, what string, limit time.Duration, done func(context.Context) (ok bool, reason string, err error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not there after %s", limit))
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := "no answer yet"
	for {
		ok, reason, err := done(ctx)
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		if ok {
			return nil
		}
		if reason != "" && ctx.Err() == nil {
			last = reason
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (last: %s)", what, context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}
