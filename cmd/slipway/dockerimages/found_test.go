package dockerimages

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry/imageindex"
	"github.com/slipway-build/slipway/registry/registrytest"
	"github.com/slipway-build/slipway/registry/remote"
)

// TestNamesOfOneConfiguration tests that what is pushed under a name is what the name means,
// where several indexes and a build have the same image.
func TestNamesOfOneConfiguration(t *testing.T) {
	s, reg := open(t), registrytest.NewServer(t)
	client := remote.New(remote.Options{})
	common := registrytest.PushImage(t, reg, "app", "linux/amd64", "common")
	common.Descriptor.Platform = registrytest.Platform("linux/amd64")
	pulled := map[string]digest.Digest{}
	for _, tag := range []string{"1", "2"} {
		other := registrytest.PushImage(t, reg, "app", "linux/arm64", "of "+tag)
		other.Descriptor.Platform = registrytest.Platform("linux/arm64")
		index := registrytest.IndexOf(t, ocispecs.MediaTypeImageIndex, nil, common, other)
		registrytest.Put(t, reg, "/v2/app/manifests/"+tag, index)
		name := reg.Host + "/app:" + tag
		if err := s.Pull(t.Context(), &strings.Builder{}, client, name, PullOptions{OS: "linux", Arch: "amd64"}, now); err != nil {
			t.Fatal(err)
		}
		pulled[name] = index.Descriptor.Digest
	}
	pushed := func(name string, export Export) digest.Digest {
		t.Helper()
		if err := s.Push(t.Context(), &strings.Builder{}, client, export, name, PushOptions{}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m, err := client.Resolve(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return m.Descriptor.Digest
	}
	elsewhere := registrytest.NewServer(t)
	retag := func(what string) {
		t.Helper()
		for name, want := range pulled {
			for _, to := range []string{reg.Host + "/app:stable", reg.Host + "/copy:1", elsewhere.Host + "/app:1"} {
				if err := errors.Join(s.Tag(t.Context(), name, to), s.Tag(t.Context(), to, to+"-again")); err != nil {
					t.Fatal(err)
				}
				for _, to := range []string{to, to + "-again"} {
					if got := pushed(to, nil); got != want {
						t.Errorf("%s: %s as %s is %s, want %s", what, name, to, got, want)
					}
				}
			}
		}
	}
	retag("pulled")

	// The same image is built: its names mean that alone, and those that were pulled what
	// they meant.
	state, err := s.Read()
	if err != nil {
		t.Fatal(err)
	}
	image := Image{ID: state.Images[0].ID, Kept: now, Builder: "kube", Tags: []string{reg.Host + "/app:built"}, Parts: state.Images[0].Parts}
	if err := s.Keep(t.Context(), image, nil); err != nil {
		t.Fatal(err)
	}
	builders := &exporter{t: t, to: reg}
	if got := pushed(reg.Host+"/app:built", builders.export); got != builders.pushed.Descriptor.Digest {
		t.Errorf("what was built is pushed as %s, want %s", got, builders.pushed.Descriptor.Digest)
	}
	retag("pulled and built")
	if got := pushed(reg.Host+"/app:built", builders.export); got != builders.pushed.Descriptor.Digest || len(builders.names) != 1 {
		t.Errorf("the builders have pushed %q", builders.names)
	}

	// What a build has pushed itself and was pulled again is what was built.
	index := imageindex.Manifest{Descriptor: ocispecs.Descriptor{Digest: digest.FromString("pushed by the build")}}
	image.AddPushed(index.Descriptor, []string{reg.Host + "/app:built"})
	fromRegistry := Image{ID: image.ID, Parts: image.Parts, Registries: image.Registries, Pulled: []digest.Digest{index.Descriptor.Digest}}
	for _, order := range [][]Image{{image, fromRegistry}, {fromRegistry, image}} {
		var state State
		state.Add(order[0])
		state.Add(order[1])
		if got := state.Images[0].as(reg.Host + "/app:built").Registries; len(got) != 1 {
			t.Errorf("%+v", got)
		}
	}
}
