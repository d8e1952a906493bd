package builders

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// PodCache is the cache of one pod of a builder.
type PodCache struct {
	Node string
	// Pod is empty with the remote driver.
	Pod     string
	Records []buildkit.CacheRecord
}

// DiskUsage asks all pods of all nodes of a builder for their caches.
type DiskUsage struct {
	Definition configmap.Definition
	Access     cluster.Access
	Filter     buildkit.CacheFilter
	// Timeout bounds the whole; zero is no bound.
	Timeout time.Duration
	Log     zerolog.Logger
}

// Run returns the caches by node and pod, and those that answered beside an
// error of others.
func (u DiskUsage) Run(ctx context.Context) ([]PodCache, error) {
	ctx, cancel := within(ctx, u.Timeout)
	defer cancel()
	var mu sync.Mutex
	var caches []PodCache
	clients := &fleet.Clients{Access: u.Access, Log: u.Log}
	err := clients.Connector().EveryPod(ctx, u.Definition.Nodes, warnAbsent(u.Log), func(ctx context.Context, node configmap.Node, pod string, d *buildkit.Daemon) error {
		records, err := d.DiskUsage(ctx, u.Filter)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		caches = append(caches, PodCache{Node: node.Name, Pod: pod, Records: records})
		return nil
	})
	slices.SortFunc(caches, func(a, b PodCache) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Pod, b.Pod))
	})
	if err == nil && len(caches) == 0 {
		err = fault.With(fault.ClassCluster, &nothingRuns{u.Definition.Name})
	}
	return caches, err
}
