package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/slipway-build/slipway/e2e/testbed/internal/cluster"
	"github.com/slipway-build/slipway/e2e/testbed/internal/compile"
	"github.com/slipway-build/slipway/e2e/testbed/internal/image"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// agent makes the agent image of the product as it is now.
func (t testbed) agent(ctx context.Context) error {
	return t.change(ctx, func(c cluster.Cluster, s *state.State) error {
		slipway, err := t.slipway(ctx)
		if err != nil {
			return err
		}
		made, err := t.agentImage(ctx, image.Maker{Programs: c.Programs, Debian: c.Debian}, "agent", s.Base.Layout, slipway, nil)
		if err != nil {
			return err
		}
		if err := t.importInto(ctx, c, []image.Named{made}); err != nil {
			return err
		}
		s.Images.Agent, s.Images.SlipwayInAgent = made.Reference, slipway != ""
		t.out.Line("the agent image is %s", made.Reference)
		return nil
	})
}

// peer makes the image that holds docker buildx beside slipway.
func (t testbed) peer(ctx context.Context) error {
	buildx, err := t.buildx(ctx)
	if err != nil {
		return err
	}
	return t.change(ctx, func(c cluster.Cluster, s *state.State) error {
		slipway, err := t.slipway(ctx)
		if err != nil {
			return err
		}
		extra := map[string]string{"buildx": buildx, "buildctl": filepath.Join(c.Programs, "buildctl")}
		made, err := t.agentImage(ctx, image.Maker{Programs: c.Programs, Debian: c.Debian}, "peer", s.Base.Layout, slipway, extra)
		if err != nil {
			return err
		}
		if err := t.importInto(ctx, c, []image.Named{made}); err != nil {
			return err
		}
		s.Images.Peer, s.Buildx = made.Reference, buildx
		s.Versions["buildx"] = compile.Buildx
		t.out.Line("the peer image is %s", made.Reference)
		return nil
	})
}

func (t testbed) buildx(ctx context.Context) (string, error) {
	unlock, err := cluster.Lock(ctx, t.cache, peerWork, t.out)
	if err != nil {
		return "", err
	}
	defer unlock()
	return compile.Peer(ctx, t.cache, t.out)
}

// change does something to a running cluster and writes down what came of it.
func (t testbed) change(ctx context.Context, do func(cluster.Cluster, *state.State) error) error {
	c, err := t.cluster()
	if err != nil {
		return err
	}
	unlock, err := cluster.Lock(ctx, t.cache, clusterWork, t.out)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := state.Read(statePath(c))
	if err != nil {
		return err
	}
	c = asStarted(c, s)
	if err := c.Healthy(ctx); err != nil {
		return fmt.Errorf("the cluster is not healthy: %w\nhint: go run ./testbed up", err)
	}
	if err := do(c, &s); err != nil {
		return err
	}
	return writeState(c, s)
}
