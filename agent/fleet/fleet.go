package fleet

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// Fleet is the nodes of one builder during one command: connected when first
// needed, each to one pod, and kept until Close.
type Fleet struct {
	definition configmap.Definition
	connector  *Connector
	display    *progress.Display

	mu    sync.Mutex
	conns map[int]*Connection
	// lost are the nodes whose connection was dropped.
	lost map[int]bool
	// connected, if set, is called whenever a connection has been made.
	connected func()
}

// OnConnect sets what is called whenever a connection has been made.
func (f *Fleet) OnConnect(connected func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.connected = connected
}

// New returns the fleet of a definition. Nothing is connected yet.
func New(d configmap.Definition, c *Connector, display *progress.Display) *Fleet {
	return &Fleet{definition: d, connector: c, display: display, conns: make(map[int]*Connection), lost: make(map[int]bool)}
}

// ErrReasonBelow ends a step in the display whose reason is printed as the error
// of the whole command, with its hints; once is enough.
var ErrReasonBelow = errors.New("no connection, the reason is below")

// Connect returns the connection of the i-th node. Different nodes may be
// connected at the same time.
func (f *Fleet) Connect(ctx context.Context, i int) (*Connection, error) {
	f.mu.Lock()
	known, limit := f.conns[i], time.Duration(0)
	if f.lost[i] {
		limit = serverTimeout
	}
	f.mu.Unlock()
	if known != nil {
		return known, nil
	}
	node := f.definition.Nodes[i]
	step := f.display.Step("[" + node.Name + "] starting builder")
	made, err := retryUnreachable(ctx, limit, step.Say, func() (*Connection, error) { return f.connector.Connect(ctx, node, step.Say) })
	if err != nil {
		step.Done(ErrReasonBelow)
		if full := solve.OutOfFiles(err); full != nil {
			return nil, fault.With(fault.ClassUsage, full)
		}
		return nil, fault.With(ClassOf(err), err)
	}
	step.Done(nil)
	f.mu.Lock()
	f.conns[i] = made
	connected := f.connected
	f.mu.Unlock()
	if connected != nil {
		connected()
	}
	return made, nil
}

// serverTimeout is how long a build that has lost its builder waits for an API
// server that does not answer: what was lost may be the way through it. A build
// that begins does not wait, for a wrong address stays one.
const serverTimeout = time.Minute

// retryUnreachable connects again while the API server does not answer, for as long as
// the limit says.
func retryUnreachable[T any](ctx context.Context, limit time.Duration, say func(string), connect func() (T, error)) (T, error) {
	for began := time.Now(); ; {
		made, err := connect()
		if err == nil || !IsReason(err, cluster.ReasonUnreachable) || time.Since(began) >= limit {
			return made, err
		}
		say(err.Error() + "; trying again")
		if err := again(ctx, err); err != nil {
			return made, err
		}
	}
}

// IsReason reports whether err is one of package cluster with that reason.
func IsReason(err error, reason cluster.Reason) bool {
	known := (*cluster.Error)(nil)
	return errors.As(err, &known) && known.Reason == reason
}

// ClassOf is the class of a failure to reach a builder or its cluster: what the API server rejects in
// a definition is for its author to mend, all else lies in the cluster.
func ClassOf(err error) fault.Class {
	known := (*cluster.Error)(nil)
	switch {
	case errors.As(err, &known) && known.Reason == cluster.ReasonDefinition:
		return fault.ClassUsage
	case errors.Is(err, context.Canceled):
		return fault.ClassCancelled
	}
	return fault.ClassCluster
}

// Drop closes the connection of the i-th node, so that the next Connect makes
// a new one.
func (f *Fleet) Drop(i int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.conns[i]; c != nil {
		_ = c.Close() // it is lost already; there is nothing to do about it
		delete(f.conns, i)
		f.lost[i] = true
	}
}

// Close closes all connections.
func (f *Fleet) Close() {
	for i := range f.definition.Nodes {
		f.Drop(i)
	}
}

// Assign gives the wanted platforms to nodes. It asks a node's buildkitd only
// where the definition does not decide, so that most builds know their nodes
// before the cluster is touched.
func (f *Fleet) Assign(ctx context.Context, want []ocispecs.Platform) ([]Job, error) {
	claims := declared(f.definition)
	jobs, missing := assign(want, claims)
	if len(missing) == 0 {
		return jobs, nil
	}
	group, ctx := errgroup.WithContext(ctx)
	for i := range claims {
		if !slices.ContainsFunc(missing, claims[i].mayHave) {
			continue
		}
		group.Go(fault.Guard(func() error {
			conn, err := f.Connect(ctx, i)
			if err != nil {
				return err
			}
			claims[i].reported = conn.Platforms()
			return nil
		}))
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if jobs, missing = assign(want, claims); len(missing) > 0 {
		return nil, fault.With(fault.ClassUsage, &unclaimed{builder: f.definition.Name, missing: missing, claims: claims})
	}
	return jobs, nil
}
