package scenarios

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-build/slipway/e2e/registrytest"
	"github.com/slipway-build/slipway/e2e/registrytest/proxy"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// machineDockerfile makes an image that says what it was made for, and runs.
const machineDockerfile = `ARG BASE=scratch
FROM ${BASE}
ARG TARGETARCH
RUN echo $TARGETARCH $(uname -m) > /machine.txt
LABEL scenario=yes
CMD ["sleep", "infinity"]
`

// shop is an agent with a builder for each architecture, all of which know the
// testbed's registry.
type shop struct {
	*agent
	// images looks at the registry with another tool.
	images *registrytest.Client
	// repo is a repository of the scenario's own, host:port/name.
	repo string
}

// newShop makes a shop with a docker config. Through is the registry as
// builders and agent see it: the testbed's own, or a proxy before it.
func newShop(t *testing.T, image string, through state.Registry) *shop {
	t.Helper()
	registries := []state.Registry{bed(t).Registry}
	if through.Address != registries[0].Address {
		registries = append(registries, through)
	}
	s := newStranger(t, image, through, registries...)
	config, err := registrytest.DockerConfigFor(registries...)
	if err != nil {
		t.Fatal(err)
	}
	s.write("/root/.docker/config.json", config)
	return s
}

// newStranger makes a shop whose agent has no credentials yet. It pushes to
// the registry; builders and agent trust all that are given.
func newStranger(t *testing.T, image string, to state.Registry, trusted ...state.Registry) *shop {
	t.Helper()
	s := newSpace(t, "slipway-build", "slipway-manage")
	files, err := registrytest.BuilderFiles(trusted...)
	if err != nil {
		t.Fatal(err)
	}
	amd64, arm64 := s.builderNode("amd64"), s.builderNode("arm64")
	amd64.Files, arm64.Files = files, files
	s.define(amd64, arm64)
	return openShop(s, image, to)
}

// openShop starts the agent of a shop, in a space with a definition.
func openShop(s *space, image string, to state.Registry) *shop {
	s.t.Helper()
	a := s.startAgent("agent", image)
	a.write("Dockerfile", machineDockerfile)
	where := s.Bed.Registry
	if to.Address == s.Bed.TokenRegistry.Address {
		where = to
	}
	images, err := registrytest.New(where)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(images.Close)
	return &shop{agent: a, images: images, repo: to.Address + "/" + s.Name}
}

// bed is what the testbed offers; a scenario that needs it before its space.
func bed(t *testing.T) state.State {
	t.Helper()
	b, err := state.Load()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// startProxy starts a proxy before the registry, for one scenario.
func startProxy(t *testing.T) *proxy.Proxy {
	t.Helper()
	p, err := proxy.Start(context.WithoutCancel(t.Context()), bed(t).Registry)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// from is the flag that gives a build its base image from the registry.
func (s *shop) from() string { return "--build-arg BASE=" + s.Bed.Registry.Base + " " }

// tag is a reference in the scenario's repository, for the flag, and own the
// same as the registry itself knows it, without a proxy.
func (s *shop) tag(name string) string { return s.repo + ":" + name }
func (s *shop) own(name string) string { return s.Name + ":" + name }

// digest is what a tag points at; empty when there is no such tag.
func (s *shop) digest(tag string) string {
	s.t.Helper()
	there, err := s.images.Exists(s.t.Context(), s.own(tag))
	if err != nil {
		s.t.Fatal(err)
	}
	if !there {
		return ""
	}
	digest, err := s.images.Digest(s.t.Context(), s.own(tag))
	if err != nil {
		s.t.Fatal(err)
	}
	return digest
}

// index is the index that a tag points at, with everything below it read and
// found whole, and with these platforms.
func (s *shop) index(tag string, platforms ...string) v1.ImageIndex {
	s.t.Helper()
	if err := s.images.Validate(s.t.Context(), s.own(tag)); err != nil {
		s.t.Fatalf("%s: %v", tag, err)
	}
	index, err := s.images.Index(s.t.Context(), s.own(tag))
	if err != nil {
		s.t.Fatalf("%s: %v", tag, err)
	}
	checkPlatforms(s.t, index, platforms...)
	return index
}

// checkPlatforms fails unless an index has images of just these platforms,
// each of which says so in its labels and its configuration.
func checkPlatforms(t *testing.T, index v1.ImageIndex, platforms ...string) {
	t.Helper()
	got, err := registrytest.Platforms(index)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "platforms", strings.Join(got, " "), strings.Join(platforms, " "))
	for _, platform := range platforms {
		image, err := registrytest.Platform(index, platform)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.Config.Labels["scenario"] != "yes" || "linux/"+config.Architecture != platform {
			t.Errorf("the image of %s is for %s, with labels %v", platform, config.Architecture, config.Config.Labels)
		}
	}
}

// fetch copies a file of the agent's workspace to this machine.
func (a *agent) fetch(path string) string {
	a.t.Helper()
	to := filepath.Join(a.t.TempDir(), filepath.Base(path))
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	if err := a.CopyOut(ctx, a.pod, path, to); err != nil {
		a.t.Fatal(err)
	}
	return to
}

// fetchDir copies a directory of the agent's workspace to this machine.
func (a *agent) fetchDir(path string) string {
	a.t.Helper()
	a.ok(fmt.Sprintf("tar -C %[1]s -cf %[1]s.fetch .", path))
	to := a.t.TempDir()
	if err := registrytest.Unpack(a.fetch(path+".fetch"), to); err != nil {
		a.t.Fatal(err)
	}
	a.ok("rm " + path + ".fetch")
	return to
}

// runs starts a pod from an image of the registry on every cluster node, pulled
// by the kubelet with a pull secret, and wants it to run.
func (s *shop) runs(reference string) {
	s.t.Helper()
	r := s.Bed.Registry
	s.kubectl("", "create", "secret", "docker-registry", "pull", "--docker-server="+r.Address, "--docker-username="+r.Username, "--docker-password="+r.Password)
	for _, n := range s.Bed.Nodes {
		s.kubectl(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: run-%s}
spec:
  nodeName: %s
  terminationGracePeriodSeconds: 0
  imagePullSecrets: [{name: pull}]
  containers: [{name: main, image: %q}]
`, n.Name, n.Name, reference), "create", "-f", "-")
	}
	for _, n := range s.Bed.Nodes {
		s.awaitReady("run-" + n.Name)
	}
}
