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
	c, _, err := t.running()
	if err != nil {
		return err
	}
	unlock, err := cluster.Lock(ctx, t.cache, clusterWork, t.out)
	if err != nil {
		return err
	}
	defer unlock()
	return work(c)
}

// running is the running cluster, with the programs that it was started with, and
// what is known of it.
func (t testbed) running() (cluster.Cluster, state.State, error) {
	c, err := t.cluster()
	if err != nil {
		return c, state.State{}, err
	}
	s, err := state.Read(statePath(c))
	return asStarted(c, s), s, err
}
