package enforce

import (
	"context"
	"slices"
	"sync"
	"time"

	control "github.com/moby/buildkit/api/services/control"

	"github.com/slipway-build/slipway/agent/sidecar/policy"
)

// patience is how long a call waits for the one that makes it a call of its client:
// clients begin the session, the build and its status at the same time.
const patience = 10 * time.Second

// What is remembered of builds that have ended: their clients read status and history.
const (
	maxBuilds  = 4096 // of a client: another one's do not make it lose its own
	maxDigests = 16384
)

// maxReference bounds the reference of a build, in bytes: it is remembered. Clients make
// 25 characters.
const maxReference = 256

// owned is what the clients of a node have begun. It may be used by several goroutines.
type owned struct {
	patience time.Duration

	mu       sync.Mutex
	sessions map[string]session  // by id
	builds   map[string]*build   // by reference
	order    map[string][]string // references by client, the oldest first
	digests  map[digestOf]bool   // contents that histories of builds name
	named    []digestOf          // the oldest first
	// more is closed and made anew whenever there are more sessions or builds.
	more chan struct{}
}

type session struct {
	client string
	open   int // a client may open one again
}

type digestOf struct{ client, digest string }

// build is one that a client has asked for.
type build struct {
	client string
	// passed is closed when the build is passed on to the daemon, queued when it asks
	// for a place, and ended when it does not run any more or was refused.
	passed, queued, ended chan struct{}

	mu sync.Mutex
	// decided is what the policy says of its requests. It is set before passed is
	// closed, and dropped when the build ends: many that have ended are remembered.
	decided policy.Build
	over    bool
	ticket  *ticket // nil until queued is closed
	cancel  context.CancelCauseFunc
	timer   *time.Timer // ends the build; nil for no bound, or before it has its place
}

// decision is what the policy says of requests of the build; false when it has ended.
func (b *build) decision() (policy.Build, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.decided, !b.over
}

// end gives the place of a build back.
func (b *build) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over, b.decided = true, policy.Build{}
	close(b.ended)
	if b.cancel != nil {
		b.cancel(nil)
		b.cancel = nil
	}
	if b.ticket != nil {
		b.ticket.leave()
	}
	if b.timer != nil {
		b.timer.Stop()
	}
}

func newOwned() *owned {
	return &owned{patience: patience, sessions: map[string]session{}, builds: map[string]*build{}, order: map[string][]string{}, digests: map[digestOf]bool{}, more: make(chan struct{})}
}

// changed tells those who wait. The lock is held.
func (o *owned) changed() {
	close(o.more)
	o.more = make(chan struct{})
}

// openSession notes a session of a client until close is called; false where it is that
// of another client.
func (o *owned) openSession(client, id string) (closeSession func(), ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, there := o.sessions[id]
	if there && s.client != client {
		return nil, false
	}
	o.sessions[id] = session{client: client, open: s.open + 1}
	o.changed()
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		s := o.sessions[id]
		if s.open--; s.open > 0 {
			o.sessions[id] = s
		} else {
			delete(o.sessions, id)
		}
	}, true
}

// ownsSession reports whether a session is open that the client has opened.
func (o *owned) ownsSession(client, id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, ok := o.sessions[id]
	return ok && s.client == client
}

// begin notes a build of a client with what is decided of it at first; nil where the
// reference is that of another client, or of a build that runs, or too long to remember.
func (o *owned) begin(client, ref string, decided policy.Build) *build {
	if len(ref) > maxReference {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if b, there := o.builds[ref]; there {
		select {
		case <-b.ended:
		default:
			return nil
		}
		if b.client != client {
			return nil
		}
		o.order[client] = slices.DeleteFunc(o.order[client], func(other string) bool { return other == ref })
	}
	b := &build{client: client, decided: decided, passed: make(chan struct{}), queued: make(chan struct{}), ended: make(chan struct{})}
	o.builds[ref] = b
	o.order[client] = append(o.order[client], ref)
	o.forget(client)
	o.changed()
	return b
}

// forget drops the oldest builds of a client that have ended where there are too many. The
// lock is held.
func (o *owned) forget(client string) {
	order := o.order[client]
	for i := 0; len(order) > maxBuilds && i < len(order); {
		b := o.builds[order[i]]
		select {
		case <-b.ended:
			delete(o.builds, order[i])
			order = slices.Delete(order, i, i+1)
		default:
			i++
		}
	}
	o.order[client] = order
}

// build returns that of a client by its reference; nil where it has none.
func (o *owned) build(client, ref string) *build {
	o.mu.Lock()
	defer o.mu.Unlock()
	if b, ok := o.builds[ref]; ok && b.client == client {
		return b
	}
	return nil
}

// ownsRecord reports whether the daemon's record with a reference is that of a build of the
// client. A build that the daemon has never seen has none: the record is of another one.
func (o *owned) ownsRecord(client, ref string) bool {
	b := o.build(client, ref)
	if b == nil {
		return false
	}
	select {
	case <-b.passed:
		return true
	default:
		return false
	}
}

// await waits until something holds, for a while.
func (o *owned) await(ctx context.Context, holds func() bool) bool {
	timer := time.NewTimer(o.patience)
	defer timer.Stop()
	for {
		o.mu.Lock()
		more := o.more
		o.mu.Unlock()
		if holds() {
			return true
		}
		select {
		case <-more:
		case <-timer.C:
			return holds()
		case <-ctx.Done():
			return false
		}
	}
}

// awaitBuild waits for a build of a client; nil where it does not come.
func (o *owned) awaitBuild(ctx context.Context, client, ref string) (b *build) {
	if ref == "" {
		return nil
	}
	o.await(ctx, func() bool { b = o.build(client, ref); return b != nil })
	return b
}

// name notes the contents that a record of a client's own build names.
func (o *owned) name(client string, r *control.BuildHistoryRecord) {
	all := []*control.Descriptor{r.GetLogs(), r.GetTrace(), r.GetExternalError()}
	results := []*control.BuildResultInfo{r.GetResult()}
	for _, result := range r.GetResults() {
		results = append(results, result)
	}
	for _, result := range results {
		all = append(all, result.GetResultDeprecated())
		all = append(all, result.GetAttestations()...)
		for _, d := range result.GetResults() {
			all = append(all, d)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, d := range all {
		of := digestOf{client, d.GetDigest()}
		if of.digest == "" || o.digests[of] {
			continue
		}
		if len(o.named) == maxDigests {
			delete(o.digests, o.named[0])
			o.named = o.named[1:]
		}
		o.digests[of] = true
		o.named = append(o.named, of)
	}
}

// mayRead reports whether a record of a client's own build has named a content.
func (o *owned) mayRead(client, digest string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.digests[digestOf{client, digest}]
}
