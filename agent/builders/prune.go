package builders

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// Prune removes cache of all pods of all nodes of a builder.
type Prune struct {
	Definition configmap.Definition
	Access     cluster.Access
	What       buildkit.Prune
	// Timeout bounds how long each pod may take to answer, and not how long it
	// removes; zero is no bound.
	Timeout time.Duration
	Log     zerolog.Logger
}

// Run calls removed for every record that is gone, in turn, and goes on with
// the other pods where one fails.
func (p Prune) Run(ctx context.Context, removed func(node, pod string, r buildkit.CacheRecord)) error {
	var mu sync.Mutex
	asked := 0
	clients := &fleet.Clients{Access: p.Access, Log: p.Log}
	connector := clients.Connector()
	connector.AnswerWithin = p.Timeout
	err := connector.EveryPod(ctx, p.Definition.Nodes, warnAbsent(p.Log), func(ctx context.Context, node configmap.Node, pod string, d *buildkit.Daemon) error {
		mu.Lock()
		asked++
		mu.Unlock()
		return d.Prune(ctx, p.What, func(r buildkit.CacheRecord) {
			mu.Lock()
			defer mu.Unlock()
			removed(node.Name, pod, r)
		})
	})
	if err == nil && asked == 0 {
		err = fault.With(fault.ClassCluster, &nothingRuns{p.Definition.Name})
	}
	return err
}
