package registrytest

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/slipway-build/slipway/e2e/registrytest/internal/inprocess"
)

func newClient(t *testing.T) *Client {
	t.Helper()
	c, err := New(inprocess.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// imageFor is an image of two random layers.
func imageFor(t *testing.T, architecture string) v1.Image {
	t.Helper()
	image, err := random.Image(2000, 2)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	config.Config.Labels = map[string]string{"for": architecture}
	image, err = mutate.ConfigFile(mutate.MediaType(image, types.OCIManifestSchema1), config)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// attestationOf makes an attestation as BuildKit does: statements as layers.
func attestationOf(t *testing.T, image v1.Image, predicates ...string) mutate.IndexAddendum {
	t.Helper()
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	attestation := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	for _, predicate := range predicates {
		text := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v0.1","predicateType":%q,"subject":[{"name":"x","digest":{"sha256":%q}}],"predicate":{"of":%q}}`, predicate, digest.Hex, predicate)
		attestation, err = mutate.Append(attestation, mutate.Addendum{
			Layer:       static.NewLayer([]byte(text), "application/vnd.in-toto+json"),
			Annotations: map[string]string{annotationPredicate: predicate},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return mutate.IndexAddendum{Add: attestation, Descriptor: v1.Descriptor{
		Platform:    &v1.Platform{OS: "unknown", Architecture: "unknown"},
		Annotations: map[string]string{annotationType: attestationManifest, annotationImage: digest.String()},
	}}
}

// indexOf is an index of images for these architectures with attestations.
func indexOf(t *testing.T, architectures ...string) v1.ImageIndex {
	t.Helper()
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, architecture := range architectures {
		image := imageFor(t, architecture)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		}, attestationOf(t, image, "https://slsa.dev/provenance/v1", "https://spdx.dev/Document"))
	}
	return index
}

func write(t *testing.T, c *Client, reference string, index v1.ImageIndex) {
	t.Helper()
	to, err := name.ParseReference(c.Ref(reference))
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(to, index, c.with(t.Context())...); err != nil {
		t.Fatal(err)
	}
}

func TestClient(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	ctx := t.Context()
	if there, err := c.Exists(ctx, "team/app:1"); there || err != nil {
		t.Errorf("before the push: Exists = %v, %v", there, err)
	}
	if tags, err := c.Tags(ctx, "team/app"); len(tags) != 0 || err != nil {
		t.Errorf("before the push: Tags = %v, %v", tags, err)
	}
	index := indexOf(t, "amd64", "arm64")
	write(t, c, "team/app:1", index)
	write(t, c, "team/app:2", index)

	want, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Digest(ctx, c.Ref("team/app:1")); got != want.String() || err != nil {
		t.Errorf("Digest = %s, %v; want %s", got, err, want)
	}
	if tags, err := c.Tags(ctx, "team/app"); !slices.Equal(tags, []string{"1", "2"}) || err != nil {
		t.Errorf("Tags = %v, %v", tags, err)
	}
	for _, architecture := range []string{"amd64", "arm64"} {
		config, err := c.Config(ctx, "team/app:1", "linux/"+architecture)
		if err != nil || config.Config.Labels["for"] != architecture {
			t.Errorf("Config for %s = %+v, %v", architecture, config, err)
		}
	}
	if _, err := c.Image(ctx, "team/app:1", "linux/s390x"); err == nil || !strings.Contains(err.Error(), "its platforms are linux/amd64, linux/arm64") {
		t.Errorf("an image of another platform: %v", err)
	}
	all, err := c.Attestations(ctx, "team/app:1")
	if err != nil || len(all) != 2 {
		t.Fatalf("Attestations = %v, %v", all, err)
	}
	for platform, statements := range all {
		if got := PredicateTypes(statements); !slices.Equal(got, []string{"https://slsa.dev/provenance/v1", "https://spdx.dev/Document"}) {
			t.Errorf("%s has %q", platform, got)
		}
		if !json.Valid(statements[0].Raw) || string(statements[0].Predicate) != `{"of":"https://slsa.dev/provenance/v1"}` {
			t.Errorf("%s: %s has the predicate %s", platform, statements[0].Raw, statements[0].Predicate)
		}
	}
	if err := c.Validate(ctx, "team/app:1"); err != nil {
		t.Errorf("a whole index is not valid: %v", err)
	}
	if err := c.Delete(ctx, "team/app:1"); err != nil {
		t.Fatal(err)
	}
	if there, err := c.Exists(ctx, "team/app@"+want.String()); there || err != nil {
		t.Errorf("after the deletion: Exists = %v, %v", there, err)
	}
}

func TestNewRefusesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	r := inprocess.Start(t)
	if _, err := NewAs(r, "nobody"); err == nil {
		t.Error("a user that the registry does not have is accepted")
	}
	r.Address = ""
	if _, err := New(r); err == nil || !strings.Contains(err.Error(), "testbed up") {
		t.Errorf("without a registry: %v", err)
	}
}

func TestAttestationOfNothing(t *testing.T) {
	t.Parallel()
	index := mutate.AppendManifests(indexOf(t, "amd64"), attestationOf(t, imageFor(t, "arm64"), "p"))
	if _, err := Attestations(index); err == nil || !strings.Contains(err.Error(), "which the index does not hold") {
		t.Errorf("an attestation of an image that is not there: %v", err)
	}
}

// writeLayout writes an image layout and returns its folder.
func writeLayout(t *testing.T, index v1.ImageIndex) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "layout")
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendIndex(index); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestValidateFindsDamage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		// of finds the blob to damage.
		of func(t *testing.T, index v1.ImageIndex) v1.Hash
	}{
		{"nothing", nil},
		{"layer", func(t *testing.T, index v1.ImageIndex) v1.Hash { return first(t, index, 0).Layers[1].Digest }},
		{"configuration", func(t *testing.T, index v1.ImageIndex) v1.Hash { return first(t, index, 0).Config.Digest }},
		{"statement", func(t *testing.T, index v1.ImageIndex) v1.Hash { return first(t, index, 1).Layers[0].Digest }},
		{"manifest", func(t *testing.T, index v1.ImageIndex) v1.Hash { return children(t, index)[2].Digest }},
		{"index", func(t *testing.T, index v1.ImageIndex) v1.Hash {
			digest, err := index.Digest()
			if err != nil {
				t.Fatal(err)
			}
			return digest
		}},
	} {
		for _, how := range []string{"changed", "short", "longer", "gone"} {
			t.Run(tt.name+" "+how, func(t *testing.T) {
				index := indexOf(t, "amd64", "arm64")
				folder := writeLayout(t, index)
				if tt.of != nil {
					damage(t, filepath.Join(folder, "blobs", "sha256", tt.of(t, index).Hex), how)
				}
				outer, err := Layout(folder)
				if err != nil {
					t.Fatal(err)
				}
				if err := Validate(outer); (err != nil) != (tt.of != nil) {
					t.Errorf("Validate = %v, want an error: %v", err, tt.of != nil)
				}
			})
		}
	}
}

func children(t *testing.T, index v1.ImageIndex) []v1.Descriptor {
	t.Helper()
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	return manifest.Manifests
}

// first is the manifest of the index's n-th image or attestation.
func first(t *testing.T, index v1.ImageIndex, n int) *v1.Manifest {
	t.Helper()
	image, err := index.Image(children(t, index)[n].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	return manifest
}

func damage(t *testing.T, path, how string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	switch how {
	case "gone":
		err = os.Remove(path)
	case "longer":
		err = os.WriteFile(path, append(content, '\n'), 0o600)
	case "short":
		err = os.WriteFile(path, content[:len(content)-1], 0o600)
	default:
		content[len(content)-8] ^= 1 // in a string, where it is JSON
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestValidateComparesPlatforms(t *testing.T) {
	t.Parallel()
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{
		Add: imageFor(t, "amd64"), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}},
	})
	if err := Validate(index); err == nil || !strings.Contains(err.Error(), "linux/amd64 and not for linux/arm64") {
		t.Errorf("an amd64 image that the index calls arm64: %v", err)
	}
}

// withDiffID changes what the image's configuration says of its last layer.
func withDiffID(t *testing.T, image v1.Image, sum string) v1.Image {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.RootFS.DiffIDs[len(config.RootFS.DiffIDs)-1] = v1.Hash{Algorithm: "sha256", Hex: sum}
	image, err = mutate.ConfigFile(image, config)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestValidateComparesWhatLayersUnpackTo(t *testing.T) {
	t.Parallel()
	other := strings.Repeat("0", 64)
	image := withDiffID(t, imageFor(t, "amd64"), other)
	if err := validateImage("x", image); err == nil || !strings.Contains(err.Error(), "and not to sha256:"+other) {
		t.Errorf("a layer that its configuration does not name: %v", err)
	}
	file := filepath.Join(t.TempDir(), "image.tar")
	tag, err := name.NewTag("r.test/team/app:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := tarball.WriteToFile(file, tag, image); err != nil {
		t.Fatal(err)
	}
	if _, err := DockerArchive(file); err == nil || !strings.Contains(err.Error(), "and not to sha256:"+other) {
		t.Errorf("a layer that its configuration does not name, in a docker archive: %v", err)
	}
}

// TestValidateComparesStoredBytes has a layer that was compressed anew: it
// unpacks to what it should, and is another blob all the same.
func TestValidateComparesStoredBytes(t *testing.T) {
	t.Parallel()
	index := indexOf(t, "amd64")
	folder := writeLayout(t, index)
	path := filepath.Join(folder, "blobs", "sha256", first(t, index, 0).Layers[0].Digest.Hex)
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := decompress(file, gzipped)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(plain)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	stored := packed(t, content, func(w io.Writer) io.WriteCloser {
		z, err := gzip.NewWriterLevel(w, gzip.HuffmanOnly)
		if err != nil {
			t.Fatal(err)
		}
		return z
	})
	if err := os.WriteFile(path, stored, 0o600); err != nil {
		t.Fatal(err)
	}
	outer, err := Layout(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := Validate(outer); err == nil || !strings.Contains(err.Error(), "it has the digest sha256:") {
		t.Errorf("a layer that was compressed anew: %v", err)
	}
}

func TestLayout(t *testing.T) {
	t.Parallel()
	index := indexOf(t, "amd64", "arm64")
	folder := writeLayout(t, index)
	outer, err := Layout(folder)
	if err != nil {
		t.Fatal(err)
	}
	only, err := Only(outer)
	if err != nil {
		t.Fatal(err)
	}
	if platforms, err := Platforms(only); !slices.Equal(platforms, []string{"linux/amd64", "linux/arm64"}) || err != nil {
		t.Errorf("Platforms = %v, %v", platforms, err)
	}
	if _, err := Layout(t.TempDir()); err == nil {
		t.Error("an empty folder is taken for a layout")
	}
}

func TestDockerArchive(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "image.tar")
	tag, err := name.NewTag("r.test/team/app:1")
	if err != nil {
		t.Fatal(err)
	}
	image := imageFor(t, "amd64")
	if err := tarball.WriteToFile(file, tag, image); err != nil {
		t.Fatal(err)
	}
	configs, err := DockerArchive(file)
	if err != nil || len(configs) != 1 {
		t.Fatalf("DockerArchive = %v, %v", configs, err)
	}
	if config := configs["r.test/team/app:1"]; config == nil || config.Config.Labels["for"] != "amd64" {
		t.Errorf("the image's configuration is %+v", config)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := DockerArchive(file); err == nil {
		t.Error("a damaged archive is valid")
	}
}
