package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/e2e/testbed/internal/cluster"
	"github.com/slipway-build/slipway/e2e/testbed/internal/compile"
	"github.com/slipway-build/slipway/e2e/testbed/internal/image"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

const (
	registry          = "slipway.test/"
	pauseReference    = registry + "pause:1"
	busyboxReference  = registry + "busybox:1"
	buildkitReference = registry + "buildkit:" + compile.BuildKit
	rootlessReference = buildkitReference + "-rootless"
	nextReference     = buildkitReference + "-next"

	// In every registry.
	basePath    = "test/base:1"
	scannerPath = "test/scanner:1"
)

// content is what a plain cluster holds: images that its nodes import, indexes
// that its registries offer by their path and tag, and the description of both.
type content struct {
	imported []image.Named
	pushed   map[string]v1.ImageIndex
	state    state.State
}

// images assembles the images of a plain cluster and describes that cluster.
func (t testbed) images(ctx context.Context, c cluster.Cluster) (content, error) {
	maker := image.Maker{Programs: c.Programs, Debian: c.Debian}
	bases, baseIndex, err := image.Both(ctx, maker.Base)
	if err != nil {
		return content{}, err
	}
	base, err := t.base(baseIndex)
	if err != nil {
		return content{}, err
	}
	base.Busybox = maker.Busyboxes()
	_, scannerIndex, err := image.Both(ctx, maker.Scanner)
	if err != nil {
		return content{}, err
	}
	pause, err := maker.Pause()
	if err != nil {
		return content{}, err
	}
	buildkit, err := maker.BuildKit(ctx)
	if err != nil {
		return content{}, err
	}
	rootless, err := maker.Rootless(ctx)
	if err != nil {
		return content{}, err
	}
	// A cluster is of use even while the product does not compile: `agent`
	// brings it in later, and the state says that it is not there.
	slipway, err := t.slipway(ctx)
	if err != nil && ctx.Err() == nil {
		t.out.Line("NOTICE: slipway cannot be put into the agent image: %v", err)
	} else if err != nil {
		return content{}, err
	}
	agent, err := t.agentImage(ctx, maker, "agent", base.Layout, slipway, nil)
	if err != nil {
		return content{}, err
	}
	registries := c.Registries()
	for i, r := range registries {
		registries[i].Base, registries[i].Scanner = r.Address+"/"+basePath, r.Address+"/"+scannerPath
	}
	s := state.State{
		Kubeconfig: c.Kubeconfig(),
		APIServer:  c.APIServer(),
		BinDir:     c.Programs,
		Families:   string(c.Families),
		LogDir:     c.LogDir(),
		Nodes:      c.Nodes(),
		Images: state.Images{
			Pause:          pauseReference,
			Busybox:        busyboxReference,
			BuildKit:       buildkitReference,
			NextBuildKit:   nextReference,
			Rootless:       rootlessReference,
			Agent:          agent.Reference,
			PodShell:       state.PodShell,
			SlipwayInAgent: slipway != "",
		},
		Base:          base,
		Registry:      registries[0],
		TokenRegistry: registries[1],
		Versions: map[string]string{
			"kubernetes":   c.Kubernetes,
			"containerd":   compile.Containerd,
			"buildkit":     compile.BuildKit,
			"runc":         compile.Runc,
			"distribution": compile.Distribution,
		},
	}
	return content{
		imported: []image.Named{
			{Reference: pauseReference, Image: pause},
			// Of the architecture that the nodes' containerds really have.
			{Reference: busyboxReference, Image: bases["amd64"]},
			{Reference: buildkitReference, Image: buildkit},
			{Reference: nextReference, Image: buildkit},
			{Reference: rootlessReference, Image: rootless},
			agent,
		},
		pushed: map[string]v1.ImageIndex{basePath: baseIndex, scannerPath: scannerIndex},
		state:  s,
	}, nil
}

// base makes the base image's layout in the cache.
func (t testbed) base(index v1.ImageIndex) (state.Base, error) {
	digest, err := index.Digest()
	if err != nil {
		return state.Base{}, fmt.Errorf("digest of the base image: %w", err)
	}
	folder := filepath.Join(t.cache, "base-"+digest.Hex[:12])
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		write := func(temporary string) error { return image.WriteLayout(temporary, image.BaseTag, index) }
		if err := image.Make(folder, write); err != nil {
			return state.Base{}, err
		}
	} else if err != nil {
		return state.Base{}, fmt.Errorf("look for the base image: %w", err)
	}
	return state.Base{
		Layout:  folder,
		InAgent: image.AgentBase,
		Tag:     image.BaseTag,
		Digest:  digest.String(),
	}, nil
}

// slipway builds the product and returns its path; empty where there is none yet.
func (t testbed) slipway(ctx context.Context) (string, error) {
	file := filepath.Join(t.cache, "slipway")
	made, err := compile.Product(ctx, filepath.Dir(t.source), file)
	if err != nil {
		return "", err
	}
	if !made {
		t.out.Line("NOTICE: there is no cmd/slipway yet: the agent image is made without it")
		return "", nil
	}
	return file, nil
}

// agentImage makes an image for agents, with more programs by their names. Its
// tag names its content: a pod that asks for it never gets an older one that a
// node still has.
func (t testbed) agentImage(ctx context.Context, maker image.Maker, name, base, slipway string, more map[string]string) (image.Named, error) {
	runner := filepath.Join(t.cache, state.PodShell)
	if err := compile.Helper(ctx, t.source, "./podshell/podshelld", runner); err != nil {
		return image.Named{}, err
	}
	programs := map[string]string{state.PodShell: runner}
	maps.Copy(programs, more)
	made, err := maker.Agent(ctx, base, slipway, programs)
	if err != nil {
		return image.Named{}, err
	}
	tag, err := image.ShortDigest(made)
	if err != nil {
		return image.Named{}, err
	}
	return image.Named{Reference: registry + name + ":" + tag, Image: made}, nil
}

// importInto brings the images into every node that does not have them.
func (t testbed) importInto(ctx context.Context, c cluster.Cluster, images []image.Named) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, n := range c.Nodes() {
		group.Go(func() error { return image.Import(ctx, filepath.Join(c.Programs, "ctr"), n.Containerd, images...) })
	}
	return group.Wait()
}
