package fleet

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// Fleet is the nodes of one builder. A node is connected when it is first
// needed, and stays connected until Close: several commands may use one fleet,
// after each other or at once, each through a View of its own.
type Fleet struct {
	definition configmap.Definition
	connector  *Connector

	mu    sync.Mutex
	conns map[int][]*Connection // by index in the definition, of different pods or affinities
}

// New returns the fleet of a definition. Nothing is connected yet. The caller
// must Close it.
func New(d configmap.Definition, c *Connector) *Fleet {
	return &Fleet{definition: d, connector: c, conns: make(map[int][]*Connection)}
}

// Definition returns the definition of the builder.
func (f *Fleet) Definition() configmap.Definition { return f.definition }

// Close closes all connections. No View may be in use.
func (f *Fleet) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conns := range f.conns {
		for _, c := range conns {
			_ = c.Close() // nothing runs over it any more
		}
	}
	clear(f.conns)
}

// WarnOfDrift logs one warning about all nodes that were connected since it was
// called last and are not as their definition says. It is for when the display is
// closed.
func (f *Fleet) WarnOfDrift() {
	if f.connector.Drifts == nil {
		return
	}
	if line := f.connector.Drifts.Take(); line != "" {
		f.connector.Log.Warn().Msg(line)
	}
}

// find returns a connection of the i-th node that serves for the affinity, nil
// if there is none.
func (f *Fleet) find(i int, affinity func() string) *Connection {
	f.mu.Lock()
	conns := slices.Clone(f.conns[i])
	f.mu.Unlock()
	for _, c := range conns {
		if c.affinity == "" || affinity == nil || c.affinity == affinity() {
			return c
		}
	}
	return nil
}

// keep keeps a connection of the i-th node. Where another command was faster, it
// closes the one that was made and returns that one's.
func (f *Fleet) keep(i int, made *Connection) *Connection {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns[i] {
		if c.affinity == made.affinity {
			_ = made.Close() // nothing was asked of it
			return c
		}
	}
	f.conns[i] = append(f.conns[i], made)
	return made
}

// drop closes a connection of the i-th node that is lost.
func (f *Fleet) drop(i int, lost *Connection) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[i] = slices.DeleteFunc(f.conns[i], func(c *Connection) bool { return c == lost })
	_ = lost.Close() // it is lost already; there is nothing to do about it
}

// View is a fleet as one command uses it, whose events say what it waits for.
type View struct {
	fleet    *Fleet
	events   event.Emitter
	affinity func() string

	mu sync.Mutex
	// lost are the nodes whose connection was dropped.
	lost map[int]bool
	// connected, if set, is called whenever a node is connected.
	connected func()
	// preferred are pods by the index of their node.
	preferred map[int]string
}

// View returns a view for a command. affinity tells builds apart that should go
// to different pods of several; nil where nothing is built.
func (f *Fleet) View(events event.Emitter, affinity func() string) *View {
	return &View{fleet: f, events: events, affinity: affinity, lost: make(map[int]bool)}
}

// OnConnect sets what is called whenever a node is connected.
func (v *View) OnConnect(connected func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.connected = connected
}

// Prefer sets the pods that are taken where they are ready, by the index of their node:
// they hold what is asked for. Another one is taken in place of one that is gone.
func (v *View) Prefer(pods map[int]string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.preferred = pods
}

// Connect returns a connection of the i-th node, which stays the fleet's.
// Different nodes may be connected at the same time.
func (v *View) Connect(ctx context.Context, i int) (*Connection, error) {
	conn := v.fleet.find(i, v.affinity)
	if conn == nil {
		made, err := v.make(ctx, i)
		if err != nil {
			return nil, err
		}
		conn = v.fleet.keep(i, made)
	}
	v.events.Node(v.fleet.definition.Nodes[i].Name).Pod(conn.Pod).Emit(event.Event{Connected: &event.Connected{
		BuildKit: conn.Version(), BuildsFor: FormatPlatforms(BuildsFor(v.fleet.definition.Nodes[i], conn.Platforms())), Transport: string(conn.Transport), Address: sanitize.RedactURLs(conn.Address),
	}})
	v.mu.Lock()
	connected := v.connected
	v.mu.Unlock()
	if connected != nil {
		connected()
	}
	return conn, nil
}

// make connects the i-th node.
func (v *View) make(ctx context.Context, i int) (*Connection, error) {
	v.mu.Lock()
	limit := time.Duration(0)
	if v.lost[i] {
		limit = serverTimeout
	}
	prefer := v.preferred[i]
	v.mu.Unlock()
	node := v.fleet.definition.Nodes[i]
	events := v.events.Node(node.Name)
	wait := events.Wait(event.StageStart)
	made, err := retryUnreachable(ctx, limit, wait, func() (*Connection, error) {
		return v.fleet.connector.connect(ctx, node, v.affinity, prefer, wait)
	})
	if err == nil {
		return made, nil
	}
	events.Emit(event.Event{NodeFailed: &event.NodeFailed{Stage: event.StageStart, Error: err.Error()}})
	if full := fault.OutOfFiles(err); full != nil {
		return nil, fault.With(fault.ClassUsage, full)
	}
	return nil, fault.With(ClassOf(err), v.fleet.connector.explainPending(ctx, node, err))
}

// Drop closes a connection of the i-th node that is lost, so that the next
// Connect makes a new one.
func (v *View) Drop(i int, conn *Connection) {
	v.fleet.drop(i, conn)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lost[i] = true
}

// serverTimeout is how long a build that has lost its builder waits for an API
// server that does not answer: what was lost may be a connection through it. A
// build that begins does not wait, for a wrong address stays one.
const serverTimeout = time.Minute

// retryUnreachable connects again while the API server does not answer, for as
// long as the limit says.
func retryUnreachable[T any](ctx context.Context, limit time.Duration, say func(string), connect func() (T, error)) (T, error) {
	for began := time.Now(); ; {
		made, err := connect()
		if err == nil || !IsReason(err, kube.ReasonUnreachable) || time.Since(began) >= limit {
			return made, err
		}
		say(err.Error() + "; trying again")
		if err := again(ctx, err); err != nil {
			return made, err
		}
	}
}

// IsReason reports whether err is one of package cluster with that reason.
func IsReason(err error, reason kube.Reason) bool {
	known := (*kube.Error)(nil)
	return errors.As(err, &known) && known.Reason == reason
}

// ClassOf is the class of a failure to reach a builder or its cluster: what the
// API server rejects in a definition is for its author to mend, all else lies
// in the cluster.
func ClassOf(err error) fault.Class {
	known := (*kube.Error)(nil)
	switch {
	case errors.As(err, &known) && known.Reason == kube.ReasonDefinition:
		return fault.ClassUsage
	case errors.Is(err, context.Canceled):
		return fault.ClassCancelled
	}
	return fault.ClassCluster
}

// Assign gives the wanted platforms to nodes. It asks a node's buildkitd only
// where the definition does not decide, so that most builds know their nodes
// before the cluster is touched.
func (v *View) Assign(ctx context.Context, want []ocispecs.Platform) ([]Job, error) {
	claims := declared(v.fleet.definition)
	jobs, missing := assign(want, claims)
	if len(missing) == 0 {
		return jobs, nil
	}
	err := v.ask(ctx, claims, func(i int) bool { return slices.ContainsFunc(missing, claims[i].mayHave) })
	if err != nil {
		return nil, err
	}
	if jobs, missing = assign(want, claims); len(missing) == 0 {
		return jobs, nil
	}
	// Where one of several nodes has to take what none claims, those that can
	// emulate it come first.
	if able := takers(claimants(want, claims), claims); len(able) > 1 && slices.ContainsFunc(missing, isLinux) {
		err := v.ask(ctx, claims, func(i int) bool { return claims[i].reported == nil && slices.Contains(able, i) })
		if err != nil {
			return nil, err
		}
	}
	if jobs, ok := assignAll(want, claims); ok {
		return jobs, nil
	}
	return nil, fault.With(fault.ClassUsage, &unclaimed{builder: v.fleet.definition.Name, missing: missing, claims: claims})
}

func isLinux(p ocispecs.Platform) bool { return p.OS == "linux" }

// ask asks the buildkitds of some nodes for which platforms they build.
func (v *View) ask(ctx context.Context, claims []claim, which func(i int) bool) error {
	group, ctx := errgroup.WithContext(ctx)
	for i := range claims {
		if !which(i) {
			continue
		}
		group.Go(fault.Guard(func() error {
			conn, err := v.Connect(ctx, i)
			if err != nil {
				return err
			}
			claims[i].reported = conn.Platforms()
			return nil
		}))
	}
	return group.Wait()
}
