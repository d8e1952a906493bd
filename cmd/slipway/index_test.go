package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// indexRegistry is a registry in memory with one image per architecture:
// app:amd64 and app:arm64. It returns its host.
func indexRegistry(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(gcr.New(gcr.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	send := func(method, path, contentType string, body []byte) {
		request, err := http.NewRequest(method, server.URL+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", contentType)
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusCreated {
			t.Fatalf("%s %s: %s", method, path, response.Status)
		}
	}
	for _, architecture := range []string{"amd64", "arm64"} {
		config := []byte(`{"os":"linux","architecture":"` + architecture + `"}`)
		manifest := ocispecs.Manifest{MediaType: ocispecs.MediaTypeImageManifest, Config: ocispecs.Descriptor{
			MediaType: ocispecs.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config)),
		}}
		manifest.SchemaVersion = 2
		content, err := json.Marshal(manifest)
		if err != nil {
			t.Fatal(err)
		}
		send(http.MethodPost, "/v2/app/blobs/uploads/?digest="+manifest.Config.Digest.String(), "application/octet-stream", config)
		send(http.MethodPut, "/v2/app/manifests/"+architecture, manifest.MediaType, content)
	}
	return strings.TrimPrefix(server.URL, "http://")
}

// slipway runs the program in this process.
func slipway(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(args, streams{strings.NewReader(""), &out, &err})
	return out.String(), err.String(), code
}

func TestIndex(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("SLIPWAY_DEFINITIONS", "")
	host := indexRegistry(t)
	metadata := filepath.Join(t.TempDir(), "metadata.json")

	want, stderr, code := slipway(t, "index", "create", "--dry-run", "--annotation", "index:a=b", host+"/app:amd64", host+"/app:arm64")
	if code != 0 || !strings.Contains(want, `"a": "b"`) {
		t.Fatalf("dry run: exit code %d\n%s%s", code, want, stderr)
	}
	if _, _, code := slipway(t, "index", "inspect", host+"/app:1"); code != exitRegistry {
		t.Errorf("inspecting what is not there: exit code %d", code)
	}
	stdout, stderr, code := slipway(t, "index", "create", "--annotation", "index:a=b", "--metadata-file", metadata,
		"-t", host+"/app:1", "-t", host+"/copy/app:1", host+"/app:amd64", host+"/app:arm64")
	if code != 0 || stdout != "" {
		t.Fatalf("create: exit code %d\n%s%s", code, stdout, stderr)
	}
	if !strings.Contains(stderr, "pushing sha256:") || !strings.Contains(stderr, host+"/copy/app:1") {
		t.Errorf("create says %q", stderr)
	}
	for _, ref := range []string{host + "/app:1", host + "/copy/app:1"} {
		raw, stderr, code := slipway(t, "index", "inspect", "--raw", ref)
		if code != 0 || raw+"\n" != want {
			t.Errorf("%s: exit code %d, %s%s, want %s", ref, code, raw, stderr, want)
		}
	}
	var got struct {
		Descriptor ocispecs.Descriptor `json:"containerimage.descriptor"`
		Name       string              `json:"image.name"`
	}
	data, err := os.ReadFile(metadata)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if got.Descriptor.Digest != digest.FromString(strings.TrimSuffix(want, "\n")) || got.Name != host+"/app,"+host+"/copy/app" {
		t.Errorf("metadata %s", data)
	}
	digest, _, _ := slipway(t, "index", "inspect", "--format", "{{.Manifest.Digest}}", host+"/app:1")
	if digest != got.Descriptor.Digest.String() {
		t.Errorf("digest %s, want %s", digest, got.Descriptor.Digest)
	}
	if _, stderr, _ := slipway(t, "index", "create", "--progress", "quiet", "-t", host+"/app:2", host+"/app:1"); stderr != "" {
		t.Errorf("quiet says %q", stderr)
	}
}
