package main

import (
	"context"
	"os"

	"github.com/slipway-build/slipway/e2e/testbed/internal/cluster"
)

func (t testbed) down(ctx context.Context) error {
	c, err := t.cluster()
	if err != nil {
		return err
	}
	unlock, err := cluster.Lock(ctx, t.cache, clusterWork, t.out)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(c.State); err != nil {
		t.out.Line("no cluster is up")
		return nil
	}
	if err := c.Down(ctx); err != nil {
		return err
	}
	t.out.Line("the cluster is down")
	return nil
}
