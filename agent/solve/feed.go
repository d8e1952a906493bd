package solve

import (
	"maps"
	"sync"

	"github.com/moby/buildkit/client"

	"github.com/slipway-build/slipway/agent/solve/cache"
	"github.com/slipway-build/slipway/internal/fault"
)

// Warning is one finding of the Dockerfile linter. In JSON it has the shape
// that buildx writes under buildx.build.warnings.
type Warning = client.VertexWarning

// feed brings the progress of a solve to its reader: that of the daemon, and
// that of the session's parts on the agent, which have no end of their own.
type feed struct {
	out chan *client.SolveStatus // nil when nobody reads

	running sync.WaitGroup
	absent  map[string]bool // set before start

	mu       sync.Mutex
	closed   bool
	warnings []Warning
	steps    steps
}

func newFeed(out chan *client.SolveStatus) *feed { return &feed{out: out} }

// start returns a channel for BuildKit's client, which closes it.
func (f *feed) start() chan *client.SolveStatus {
	in := make(chan *client.SolveStatus)
	f.running.Go(fault.Protect(func() {
		limit := &feedLimit{}
		for s := range in {
			s = limit.apply(s)
			f.keep(s)
			f.send(cache.Excuse(s, f.absent))
		}
	}))
	return in
}

// send passes one increment on; after close it is dropped.
func (f *feed) send(s *client.SolveStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed && f.out != nil {
		f.out <- s
	}
}

// close ends the feed once all of the daemon's progress has been passed on.
func (f *feed) close() {
	f.running.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.out != nil {
		close(f.out)
	}
}

// expectAbsent names the steps that may fail with "not found". It is called
// before the solve starts.
func (f *feed) expectAbsent(steps map[string]bool) { f.absent = maps.Clone(steps) }

// keep remembers the warnings of an increment.
func (f *feed) keep(s *client.SolveStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps.note(s)
	for _, w := range s.Warnings {
		f.warnings = append(f.warnings, *w)
	}
}

// seen are the steps so far. It waits until the solves that have ended are passed
// on.
func (f *feed) seen() *steps {
	f.running.Wait()
	return &f.steps
}

// found are the warnings so far. It waits until the solves that have ended are
// passed on.
func (f *feed) found() []Warning {
	f.running.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.warnings
}
