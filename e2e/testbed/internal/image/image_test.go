package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

func TestSameFilesSameImage(t *testing.T) {
	source := filepath.Join(t.TempDir(), "program")
	digest := func(age time.Duration) string {
		t.Helper()
		if err := os.WriteFile(source, []byte("content"), 0o755); err != nil {
			t.Fatal(err)
		}
		stamp := time.Now().Add(-age)
		if err := os.Chtimes(source, stamp, stamp); err != nil {
			t.Fatal(err)
		}
		tree := &Tree{}
		if err := tree.Host("usr/bin/program", source); err != nil {
			t.Fatal(err)
		}
		image, err := assemble("amd64", v1.Config{Cmd: []string{"program"}}, tree)
		if err != nil {
			t.Fatal(err)
		}
		short, err := ShortDigest(image)
		if err != nil {
			t.Fatal(err)
		}
		return short
	}
	if first, second := digest(time.Hour), digest(0); first != second {
		t.Errorf("the same content an hour later is another image: %s and %s", first, second)
	}
}

func TestLayerHasParents(t *testing.T) {
	tree := &Tree{}
	tree.File("a/b/c", 0o644, []byte("x"))
	tree.Symlink("a/l", "b/c")
	layer, err := tree.Layer()
	if err != nil {
		t.Fatal(err)
	}
	content, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, content), []string{"a", "a/b", "a/b/c", "a/l"}; !slices.Equal(got, want) {
		t.Errorf("the layer holds %q, want %q", got, want)
	}
}

func TestArchive(t *testing.T) {
	tree := &Tree{}
	tree.File("f", 0o644, []byte("x"))
	// The same layer twice is one blob.
	image, err := assemble("amd64", v1.Config{}, tree, tree)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := WriteArchive(&out, "r.test/x:1", image); err != nil {
		t.Fatal(err)
	}
	archive := out.Bytes()
	if got := names(t, bytes.NewReader(archive)); len(got) != 5 {
		t.Errorf("the archive holds %q, want the marker, a layer, the config, the manifest and the index", got)
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(content(t, archive, "index.json"), &index); err != nil {
		t.Fatal(err)
	}
	if name := index.Manifests[0].Annotations["io.containerd.image.name"]; name != "r.test/x:1" {
		t.Errorf("the image is named %q", name)
	}
}

func TestLayout(t *testing.T) {
	images := map[string]v1.Image{}
	for _, architecture := range Architectures {
		image, err := assemble(architecture, v1.Config{}, &Tree{})
		if err != nil {
			t.Fatal(err)
		}
		images[architecture] = image
	}
	folder := filepath.Join(t.TempDir(), "layout")
	if err := WriteLayout(folder, "latest", Index(images, Architectures...)); err != nil {
		t.Fatal(err)
	}
	outer, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := outer.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	inner, err := outer.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	list, err := inner.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, m := range list.Manifests {
		platforms = append(platforms, m.Platform.String())
	}
	if want := []string{"linux/amd64", "linux/arm64"}; !slices.Equal(platforms, want) {
		t.Errorf("the layout holds %q, want %q", platforms, want)
	}
}

func TestParseLinked(t *testing.T) {
	text := "\tlinux-vdso.so.1 (0x00007f)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n"
	want := []string{"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"}
	if got := parseLinked(text); !slices.Equal(got, want) {
		t.Errorf("parseLinked = %q, want %q", got, want)
	}
}

func TestDigests(t *testing.T) {
	got := digests("REF TYPE DIGEST SIZE PLATFORMS LABELS\nr.test/x:1 application/vnd.oci.image.manifest.v1+json sha256:ab 1.0 MiB linux/amd64 -\n")
	if len(got) != 1 || got["r.test/x:1"] != "sha256:ab" {
		t.Errorf("digests = %v", got)
	}
}

func names(t *testing.T, r io.Reader) []string {
	t.Helper()
	var all []string
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, header.Name)
	}
}

func content(t *testing.T, archive []byte, name string) []byte {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := r.Next()
		if err != nil {
			t.Fatalf("find %s: %v", name, err)
		}
		if header.Name == name {
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
	}
}
