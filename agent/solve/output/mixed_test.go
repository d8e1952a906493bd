package output

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/solve/job"
)

// joined is the image of a node that builds several platforms: one index of all.
func joined(t *testing.T, images ...image) image {
	t.Helper()
	all := image{blobs: map[digest.Digest][]byte{}}
	var manifests []ocispecs.Descriptor
	for _, one := range images {
		manifests = append(manifests, decode[ocispecs.Index](t, string(one.blobs[one.root.Digest])).Manifests...)
		maps.Copy(all.blobs, one.blobs)
		delete(all.blobs, one.root.Digest)
	}
	all.manifest, all.config = images[0].manifest, images[0].config
	all.root = all.addJSON(t, ocispecs.MediaTypeImageIndex, ocispecs.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageIndex, Manifests: manifests,
	})
	all.root.Annotations = map[string]string{ocispecs.AnnotationCreated: created2001}
	return all
}

// TestOneNodeOfSeveralPlatforms has a node that builds several platforms in one
// solve beside one that builds one: what comes out is one image of all.
func TestOneNodeOfSeveralPlatforms(t *testing.T) {
	riscv, windows := ocispecs.Platform{OS: "linux", Architecture: "riscv64"}, ocispecs.Platform{OS: "windows", Architecture: "386"}
	siblings := [][]ocispecs.Platform{{amd64, riscv, windows}, {arm64}}
	jobs := []job.Job{{Node: "a", Platforms: siblings[0], Siblings: siblings}, {Node: "b", Platforms: siblings[1], Siblings: siblings}}
	images := []image{joined(t, nodeImage(t, amd64), nodeImage(t, riscv), nodeImage(t, windows)), nodeImage(t, arm64)}
	want := []string{"linux/amd64", "linux/arm64", "linux/riscv64", "windows/386"}

	s := &memoryRegistry{blobs: map[string][]byte{}}
	dir := t.TempDir()
	p := mustPlan(t, []string{"type=oci,dest=" + dir + "/image.tar", "type=registry,name=x"}, func(r *Env) { r.Registry = s })
	for n := range jobs {
		outputs := begun(t, p, jobs[n])
		mustSend(t, outputs.receivers[0].entry, images[n].metadata(t), images[n].archive(t))
		mustEnd(t, outputs, s.pushedBy(t, images[n]), true)
	}
	outcome := mustPublish(t, p)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(outcome.Platforms))); diff != "" {
		t.Errorf("platforms of the pushed image (-want +got):\n%s", diff)
	}
	files := readTar(t, dir+"/image.tar")
	inFile := decode[ocispecs.Index](t, files["index.json"]).Manifests[0].Digest
	for name, text := range map[string]string{
		"the registry": string(s.blobs[outcome.Descriptor.Digest.String()]), "the archive": files[blobName(inFile)],
	} {
		index := decode[ocispecs.Index](t, text)
		if len(index.Manifests) != 8 {
			t.Errorf("the index of %s has %d manifests, want 4 images and 4 attestations", name, len(index.Manifests))
		}
		for _, m := range index.Manifests {
			if m.MediaType != ocispecs.MediaTypeImageManifest {
				t.Errorf("the index of %s holds %s", name, m.MediaType)
			}
		}
	}

	// Files have a directory for each platform on both nodes.
	for _, j := range jobs {
		if got := splitAttrs(Output{}, j)["platform-split"]; got != "true" {
			t.Errorf("node %s: platform-split=%s", j.Node, got)
		}
	}
}
