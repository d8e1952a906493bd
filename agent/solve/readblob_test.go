package solve

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry/imageindex"
)

// lyingStore has one blob and says another size of it.
type lyingStore struct {
	data []byte
	size int64
}

func (s lyingStore) ReaderAt(context.Context, ocispecs.Descriptor) (content.ReaderAt, error) {
	return lyingBlob{bytes.NewReader(s.data), s.size}, nil
}

type lyingBlob struct {
	io.ReaderAt
	size int64
}

func (b lyingBlob) Size() int64  { return b.size }
func (b lyingBlob) Close() error { return nil }

// What a builder says of sizes is neither allocated nor believed.
func TestReadBlob(t *testing.T) {
	data := []byte("0123456789")
	right := digest.FromBytes(data)
	for _, tt := range []struct {
		name    string
		claimed int64 // of the descriptor
		stored  int64 // as the store says
		digest  digest.Digest
		fails   string
	}{
		{"right", 10, 10, right, ""},
		{"the store says a gigabyte", 10, 1 << 30, right, ""},
		{"the store says less than nothing", 10, -1, right, ""},
		{"less than there is", 5, 10, right, "mismatch"},
		{"more than there is", 20, 20, right, "expected content size of 20"},
		{"nothing", 0, 10, right, "mismatch"},
		{"less than nothing", -1, 10, right, "invalid"},
		{"more than the limit", 101, 101, right, "more than the 100 bytes"},
		{"as much as there can be", 1<<63 - 1, 1<<63 - 1, right, "more than the 100 bytes"},
		{"another content", 10, 10, digest.FromString("x"), "mismatch"},
		{"no digest", 10, 10, "x", "invalid"},
	} {
		got, err := readBlob(t.Context(), lyingStore{data, tt.stored}, ocispecs.Descriptor{Digest: tt.digest, Size: tt.claimed}, 100)
		switch {
		case tt.fails == "" && (err != nil || string(got) != string(data)):
			t.Errorf("%s: %q, %v", tt.name, got, err)
		case tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)):
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.fails)
		}
	}
}

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
	store := layoutStore{dir}
	for mediaType, fails := range map[string]bool{ocispecs.MediaTypeImageIndex: true, ocispecs.MediaTypeImageManifest: true, ocispecs.MediaTypeImageLayer: false} {
		desc := ocispecs.Descriptor{MediaType: mediaType, Digest: d, Size: imageindex.MaxManifest + 1}
		at, err := store.ReaderAt(t.Context(), desc)
		if (err != nil) != fails {
			t.Errorf("%s: %v", mediaType, err)
		}
		if err == nil {
			closeQuietly(at)
		}
		if _, err := images.Children(t.Context(), store, desc); fails && (err == nil || !strings.Contains(err.Error(), "more than the 4194304 bytes")) {
			t.Errorf("%s: error %v", mediaType, err)
		}
	}
}
