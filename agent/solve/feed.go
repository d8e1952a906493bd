package solve

import (
	"context"
	"maps"
	"strings"
	"sync"

	"github.com/moby/buildkit/client"

	"github.com/slipway-build/slipway/agent/buildkit/status"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/solve/cache"
	"github.com/slipway-build/slipway/internal/fault"
)

// feed makes events of the progress of a solve: that of the daemon, and that of
// the session's parts on the agent, which have no end of their own.
type feed struct {
	events event.Emitter

	running sync.WaitGroup
	absent  map[string]bool // set before start

	mu     sync.Mutex
	closed bool
	failed string // the name of the first step that has failed
	steps  steps
}

func newFeed(events event.Emitter) *feed { return &feed{events: events} }

// start returns a channel for BuildKit's client, which closes it.
func (f *feed) start() chan *client.SolveStatus {
	in := make(chan *client.SolveStatus)
	f.running.Go(fault.Protect(func() {
		limit := &feedLimit{}
		for s := range in {
			s = cache.Excuse(limit.apply(s), f.absent)
			f.keep(s)
			f.send(s)
		}
	}))
	return in
}

// keep remembers what explains a failure: the steps, and the one that has failed.
// Those that are cancelled then fail as well.
func (f *feed) keep(s *client.SolveStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps.note(s)
	for _, v := range s.Vertexes {
		if f.failed == "" && v.Error != "" && !strings.HasSuffix(v.Error, context.Canceled.Error()) {
			f.failed = v.Name
		}
	}
}

// located gives the error of a solve that has ended the step that has failed.
func (f *feed) located(err error) error {
	f.running.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil || f.failed == "" {
		return err
	}
	return &stepError{err, f.failed}
}

// send emits one increment; after close it is dropped.
func (f *feed) send(s *client.SolveStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.events.Emit(event.Event{Progress: status.Progress(s)})
	}
}

// close ends the feed once all of the daemon's progress has been passed on.
func (f *feed) close() {
	f.running.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
}

// expectAbsent names the steps that may fail with "not found". It is called
// before the solve starts.
func (f *feed) expectAbsent(steps map[string]bool) { f.absent = maps.Clone(steps) }

// seen are the steps so far. It waits until the solves that have ended are passed
// on.
func (f *feed) seen() *steps {
	f.running.Wait()
	return &f.steps
}
