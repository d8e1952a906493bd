package main

import (
	"context"

	"github.com/slipway-build/slipway/e2e/testbed/internal/cluster"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// kill kills daemons of the running cluster.
func (t testbed) kill(ctx context.Context, names []string) error {
	return t.onRunning(ctx, func(c cluster.Cluster) error { return c.Kill(ctx, names) })
}

// restart kills daemons of the running cluster and starts them again.
func (t testbed) restart(ctx context.Context, names []string) error {
	return t.onRunning(ctx, func(c cluster.Cluster) error { return c.Restart(ctx, names) })
}

// onRunning does work on the running cluster, as it was started.
func (t testbed) onRunning(ctx context.Context, work func(cluster.Cluster) error) error {
	c, err := t.cluster()
	if err != nil {
		return err
	}
	s, err := state.Read(statePath(c))
	if err != nil {
		return err
	}
	c.Programs = s.BinDir
	unlock, err := cluster.Lock(ctx, t.cache, clusterWork, t.out)
	if err != nil {
		return err
	}
	defer unlock()
	return work(c)
}
