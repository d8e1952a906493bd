package agent

import (
	"context"
	"time"

	"github.com/slipway-build/slipway/internal/fault"
)

// readAheadAfter is how long the agent waits for a builder before it makes use
// of the time and reads the context. A builder that runs answers sooner, and
// then asks for just the files that it needs.
const readAheadAfter = 250 * time.Millisecond

// readAhead begins to read when builders take long to start. The returned
// function ends that, and returns when nothing of it runs any more; it may be
// called several times.
func readAhead(ctx context.Context, after time.Duration, read func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go fault.Protect(func() {
		defer close(done)
		long := time.NewTimer(after)
		defer long.Stop()
		select {
		case <-long.C:
			read(ctx)
		case <-ctx.Done():
		}
	})()
	return func() {
		cancel()
		<-done
	}
}
