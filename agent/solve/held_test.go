package solve

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/agent/solve/layout"
	"github.com/slipway-build/slipway/internal/fault"
)

// TestHeldImageIsTheOneThatWasBuilt tests that an image with another ID is an error
// before a tag moves.
func TestHeldImageIsTheOneThatWasBuilt(t *testing.T) {
	part := HeldPart{ConfigDigest: digest.FromString("built")}
	for answer, good := range map[string]bool{part.ConfigDigest.String(): true, digest.FromString("other").String(): false, "": false} {
		err := part.check(map[string]string{exptypes.ExporterImageConfigDigestKey: answer})
		if (err == nil) != good {
			t.Errorf("%q: %v", answer, err)
		}
		if !good && (Classify(err) != KindBuilder || !strings.Contains(err.Error(), "the builder has exported another image: its ID is")) {
			t.Errorf("%q: %v, %s", answer, err, Classify(err))
		}
	}
	err := &NotHeldError{ID: part.ConfigDigest, Layers: []digest.Digest{digest.FromString("layer")}}
	if Classify(err) != KindBuilder || !strings.Contains(strings.Join(fault.Hints(err), " "), "build the image again") {
		t.Errorf("%v, %s, %q", err, Classify(err), fault.Hints(err))
	}
}

func TestPartOfAHeldImage(t *testing.T) {
	amd64, arm64 := ocispecs.Platform{OS: "linux", Architecture: "amd64"}, ocispecs.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	held := HeldImage{Parts: []HeldPart{{Platform: amd64, Node: "a"}, {Platform: arm64, Node: "b"}}}
	for _, tt := range []struct {
		platforms []ocispecs.Platform
		want      string
	}{
		{[]ocispecs.Platform{amd64}, "a"},
		{[]ocispecs.Platform{arm64}, "b"},
		{[]ocispecs.Platform{{OS: "linux", Architecture: "s390x"}}, ""},
		{nil, ""},
		{[]ocispecs.Platform{amd64, arm64}, ""},
	} {
		part, err := held.part(job.Job{Platforms: tt.platforms})
		if part.Node != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%v: node %q, %v", tt.platforms, part.Node, err)
		}
	}
}

// TestPreparedHeldImage tests that nothing of a build is looked for.
func TestPreparedHeldImage(t *testing.T) {
	plan, err := Prepare(t.Context(), Request{Held: &HeldImage{Affinity: "of the build", Parts: []HeldPart{{Sources: []string{"reg.example/base@" + digest.FromString("x").String()}}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plan.Close() }()
	if plan.Affinity() != "of the build" || !plan.hosts.Named["reg.example"] || len(plan.mounts) > 0 {
		t.Errorf("%q, %v, %v", plan.Affinity(), plan.hosts.Named, plan.mounts)
	}
}

func TestHeldContent(t *testing.T) {
	dir := t.TempDir()
	blobs := filepath.Join(dir, "blobs", "sha256")
	config := `{"os":"linux"}`
	manifest := `{"config":{"digest":"` + digest.FromString(config).String() + `","size":14},"layers":[{"digest":"` + digest.FromString("layer").String() + `"}]}`
	err := os.MkdirAll(blobs, 0o700)
	for _, text := range []string{config, manifest} {
		err = errors.Join(err, os.WriteFile(filepath.Join(blobs, digest.FromString(text).Encoded()), []byte(text), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	part := HeldPart{Manifest: ocispecs.Descriptor{Digest: digest.FromString(manifest), Size: int64(len(manifest))}, ConfigDigest: digest.FromString(config)}
	store := &heldContent{Store: layout.Store{Dir: dir}}
	found, err := store.manifest(t.Context(), part)
	if err != nil || len(layersOf(found)) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	if got, err := store.config(t.Context(), nil, part, found); err != nil || string(got) != config {
		t.Errorf("%s, %v", got, err)
	}
	other := part
	other.ConfigDigest = digest.FromString("another")
	if _, err := store.manifest(t.Context(), other); err == nil || !strings.Contains(err.Error(), "it is that of image") {
		t.Errorf("a manifest of another image: %v", err)
	}

	// What is asked for and not there is remembered, once.
	store.memory = map[digest.Digest][]byte{digest.FromString("kept"): []byte("kept")}
	for range 2 {
		for _, text := range []string{"layer", "kept", config} {
			desc := ocispecs.Descriptor{Digest: digest.FromString(text)}
			info, err := store.Info(t.Context(), desc.Digest)
			if (text == "layer") != errdefs.IsNotFound(err) || err == nil && info.Size != int64(len(text)) {
				t.Errorf("%s: %v, %v", text, info, err)
			}
			at, err := store.ReaderAt(t.Context(), desc)
			if (text == "layer") != errdefs.IsNotFound(err) {
				t.Errorf("%s: %v", text, err)
			}
			if err == nil {
				data := make([]byte, len(text))
				if _, err := at.ReadAt(data, 0); err != nil || string(data) != text || at.Size() != int64(len(text)) {
					t.Errorf("%s: %s, %v", text, data, err)
				}
				_ = at.Close()
			}
		}
	}
	if missing := store.unknown(); len(missing) != 1 || missing[0] != digest.FromString("layer") {
		t.Errorf("missing: %v", missing)
	}
	var _ content.Store = store
}
