package remote

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// A layout with more manifests than are looked at has an incomplete list of
// referrers.
func TestReferrersOfALayoutAreBounded(t *testing.T) {
	for n, want := range map[int]bool{maxWalked: true, maxWalked + 1: false} {
		index := ocispecs.Index{MediaType: ocispecs.MediaTypeImageIndex}
		index.SchemaVersion = 2
		for i := range n { // none of them is there
			index.Manifests = append(index.Manifests, ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageManifest, Digest: digest.FromString(strconv.Itoa(i)), Size: 1})
		}
		data, err := json.Marshal(index)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for name, content := range map[string][]byte{"index.json": data, "oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, complete, err := testClient(t, Options{}).Referrers(t.Context(), "oci-layout://"+dir, digest.FromString("subject"))
		if err != nil || complete != want {
			t.Errorf("%d manifests: complete %t, %v", n, complete, err)
		}
	}
}
