package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-build/slipway/e2e/testbed/internal/cluster"
	"github.com/slipway-build/slipway/e2e/testbed/internal/compile"
	"github.com/slipway-build/slipway/e2e/testbed/internal/debian"
	"github.com/slipway-build/slipway/e2e/testbed/internal/image"
	"github.com/slipway-build/slipway/e2e/testbed/internal/proc"
	"github.com/slipway-build/slipway/e2e/testbed/internal/report"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

func (t testbed) up(ctx context.Context) error {
	c, err := t.cluster()
	if err != nil {
		return err
	}
	if c, err = t.components(ctx, c); err != nil {
		return err
	}
	unlock, err := cluster.Lock(ctx, t.cache, clusterWork, t.out)
	if err != nil {
		return err
	}
	defer unlock()
	made, err := t.images(ctx, c)
	if err != nil {
		return err
	}
	running, err := state.Read(statePath(c))
	switch {
	case err == nil && running.BinDir != c.Programs:
		t.out.Line("the programs have changed: the running cluster makes way for a new one")
	case err == nil && cmp.Or(running.Families, string(cluster.IPv4)) != string(c.Families):
		t.out.Line("the running cluster has other IP families and makes way for a new one")
	case err == nil && c.StartRegistries(ctx) == nil && c.Healthy(ctx) == nil:
		return t.refresh(ctx, c, made, running)
	}
	if err := t.start(ctx, c, made.imported); err != nil {
		return err
	}
	return t.started(ctx, c, made.pushed, made.state)
}

// refresh brings a running cluster up to date.
func (t testbed) refresh(ctx context.Context, c cluster.Cluster, made content, before state.State) error {
	if err := t.importInto(ctx, c, made.imported); err != nil {
		return err
	}
	now := made.state
	// What was made on demand stays on offer, and an agent with an older
	// slipway is of more use than one with none.
	now.Images.Peer, now.Buildx = before.Images.Peer, before.Buildx
	if now.Buildx != "" {
		now.Versions["buildx"] = compile.Buildx
	}
	if before.Images.SlipwayInAgent && !now.Images.SlipwayInAgent {
		now.Images.Agent, now.Images.SlipwayInAgent = before.Images.Agent, true
		t.out.Line("the agent image stays %s", now.Images.Agent)
	}
	return t.started(ctx, c, made.pushed, now)
}

// Each kind of work has a lock of its own: who only wants a new agent image
// must not wait for somebody's build.
const (
	clusterWork = "cluster"
	buildWork   = "build"
	peerWork    = "peer"
)

// build builds what up needs and starts nothing.
func (t testbed) build(ctx context.Context) error {
	c, err := t.cluster()
	if err != nil {
		return err
	}
	if c, err = t.components(ctx, c); err != nil {
		return err
	}
	t.out.Line("the programs are in %s", c.Programs)
	return nil
}

// components makes sure that everything the cluster runs is there.
func (t testbed) components(ctx context.Context, c cluster.Cluster) (cluster.Cluster, error) {
	unlock, err := cluster.Lock(ctx, t.cache, buildWork, t.out)
	if err != nil {
		return c, err
	}
	defer unlock()
	installed, err := debian.Install(ctx, debian.Needs)
	if err != nil {
		return c, err
	}
	if len(installed) > 0 {
		t.out.Line("installed from Debian: %s", strings.Join(installed, ", "))
	}
	if _, err := os.Stat(c.Debian); err != nil {
		t.out.Line("unpacking from Debian: %s", debian.Names())
	}
	if err := debian.Files(ctx, c.Debian); err != nil {
		return c, err
	}
	components := filepath.Join(t.source, "testbed", "components")
	c.Programs, err = compile.Programs(ctx, components, t.cache, t.out)
	if err != nil || c.Kubernetes == compile.Kubernetes {
		return c, err
	}
	if err := compile.Helper(ctx, t.source, "./testbed/archwebhook", c.ArchWebhook); err != nil {
		return c, err
	}
	c.Programs, err = compile.WithKubernetes(ctx, c.Programs, c.Kubernetes, components, t.cache, t.out)
	return c, err
}

// start starts a cluster where none runs, or none that works.
func (t testbed) start(ctx context.Context, c cluster.Cluster, images []image.Named) error {
	if _, err := os.Stat(c.State); err == nil {
		t.out.Line("clearing away what is left of an earlier cluster")
		if err := c.Down(ctx); err != nil {
			return fmt.Errorf("clear away an earlier cluster: %w", err)
		}
	}
	begin := time.Now()
	t.out.Line("starting etcd, Kubernetes and two nodes")
	err := c.Up(ctx, func(ctx context.Context, socket string) error {
		return image.Import(ctx, filepath.Join(c.Programs, "ctr"), socket, images...)
	})
	if err != nil {
		return fmt.Errorf("start the cluster: %w\nhint: what runs is left for a look at it; logs are in %s", err, c.LogDir())
	}
	t.out.Line("both nodes are ready after %s", report.Duration(time.Since(begin)))
	return nil
}

func (t testbed) started(ctx context.Context, c cluster.Cluster, pushed map[string]v1.ImageIndex, s state.State) error {
	for _, r := range []state.Registry{s.Registry, s.TokenRegistry} {
		if err := t.push(ctx, r, pushed); err != nil {
			return err
		}
	}
	if err := writeState(c, s); err != nil {
		return err
	}
	t.out.Line("the cluster is up: export KUBECONFIG=%s", s.Kubeconfig)
	t.out.Line("its tools (kubectl, ctr, buildctl): export PATH=%s:$PATH", s.BinDir)
	return nil
}

func statePath(c cluster.Cluster) string { return filepath.Join(c.State, "state.json") }

func writeState(c cluster.Cluster, s state.State) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("describe the cluster: %w", err)
	}
	return proc.WriteFile(statePath(c), append(text, '\n'), 0o644)
}
