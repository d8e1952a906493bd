package layout

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry/imageindex"
)

// A manifest among the blobs that a builder has sent is read whole by whoever
// reads manifests.
func TestLayoutHasNoEndlessManifest(t *testing.T) {
	dir := t.TempDir()
	d := digest.FromString("x")
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(dir, "blobs", "sha256", d.Encoded()))
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(imageindex.MaxManifest + 1); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	store := Store{dir}
	for mediaType, fails := range map[string]bool{ocispecs.MediaTypeImageIndex: true, ocispecs.MediaTypeImageManifest: true, ocispecs.MediaTypeImageLayer: false} {
		desc := ocispecs.Descriptor{MediaType: mediaType, Digest: d, Size: imageindex.MaxManifest + 1}
		at, err := store.ReaderAt(t.Context(), desc)
		if (err != nil) != fails {
			t.Errorf("%s: %v", mediaType, err)
		}
		if err == nil {
			_ = at.Close()
		}
		if _, err := images.Children(t.Context(), store, desc); fails && (err == nil || !strings.Contains(err.Error(), "more than the 4194304 bytes")) {
			t.Errorf("%s: error %v", mediaType, err)
		}
	}
}
