package registrytest

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry/imageindex"
)

// Platform parses OS/ARCHITECTURE[/VARIANT].
func Platform(name string) *ocispecs.Platform {
	os, rest, _ := strings.Cut(name, "/")
	architecture, variant, _ := strings.Cut(rest, "/")
	return &ocispecs.Platform{OS: os, Architecture: architecture, Variant: variant}
}

// Image is an OCI image manifest with something of its own in it.
func Image(name, of string) imageindex.Manifest {
	content := []byte(`{"schemaVersion":2,"name":"` + name + `"}`)
	m := imageindex.Manifest{
		Descriptor: ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageManifest, Digest: digest.FromBytes(content), Size: int64(len(content))},
		Content:    content,
	}
	if of != "" {
		m.Descriptor.Platform = Platform(of)
	}
	return m
}

// IndexOf is an index as BuildKit pushes one: compact, unlike what Assemble
// writes.
func IndexOf(t *testing.T, mediaType string, annotations map[string]string, list ...imageindex.Manifest) imageindex.Manifest {
	t.Helper()
	index := ocispecs.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: mediaType, Annotations: annotations}
	for _, m := range list {
		index.Manifests = append(index.Manifests, m.Descriptor)
	}
	content, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	return imageindex.Manifest{
		Descriptor: ocispecs.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))},
		Content:    content,
	}
}

const (
	statement  = `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"x","predicate":{"of":%q}}`
	inTotoSBOM = "https://spdx.dev/Document"
)

// PushIndex puts an index of two platforms with an attestation into the
// repository app of the server, as app:1.
func PushIndex(t *testing.T, s *Server) (index imageindex.Manifest, members []imageindex.Manifest) {
	t.Helper()
	const repository = "app"
	amd64, arm64 := PushImage(t, s, repository, "linux/amd64", "layer a"), PushImage(t, s, repository, "linux/arm64", "layer b")
	amd64.Descriptor.Platform, arm64.Descriptor.Platform = Platform("linux/amd64"), Platform("linux/arm64")
	att := PushManifest(t, s, repository, ocispecs.MediaTypeImageConfig, []byte("{}"), ocispecs.Descriptor{
		MediaType:   "application/vnd.in-toto+json",
		Annotations: map[string]string{"in-toto.io/predicate-type": inTotoSBOM},
	}, []byte(strings.ReplaceAll(statement, "%q", `"amd64"`)))
	att.Descriptor.Platform = Platform("unknown/unknown")
	att.Descriptor.Annotations = map[string]string{
		"vnd.docker.reference.digest": amd64.Descriptor.Digest.String(),
		"vnd.docker.reference.type":   "attestation-manifest",
	}
	members = []imageindex.Manifest{amd64, att, arm64}
	index = IndexOf(t, ocispecs.MediaTypeImageIndex, nil, members...)
	Put(t, s, "/v2/"+repository+"/manifests/"+index.Descriptor.Digest.String(), index)
	Put(t, s, "/v2/"+repository+"/manifests/1", index)
	return index, members
}

// Reader reads images from registries: remote.Client does.
type Reader interface {
	// Fetch returns a manifest or index of a repository.
	Fetch(ctx context.Context, repository string, desc ocispecs.Descriptor) (imageindex.Manifest, error)
	// Blob returns a blob of at most limit bytes.
	Blob(ctx context.Context, repository string, desc ocispecs.Descriptor, limit int64) ([]byte, error)
}

// Complete reads an index and all below it from a repository.
func Complete(t *testing.T, c Reader, repository string, index imageindex.Manifest) {
	t.Helper()
	got, err := c.Fetch(t.Context(), repository, index.Descriptor)
	if err != nil {
		t.Fatal(err)
	}
	list, err := imageindex.Members(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		m, err := c.Fetch(t.Context(), repository, d)
		if err != nil {
			t.Fatal(err)
		}
		var manifest ocispecs.Manifest
		if err := json.Unmarshal(m.Content, &manifest); err != nil {
			t.Fatal(err)
		}
		for _, blob := range append(manifest.Layers, manifest.Config) {
			if _, err := c.Blob(t.Context(), repository, blob, 1<<20); err != nil {
				t.Error(err)
			}
		}
	}
}

// PushImage puts an image with a configuration and a layer into a repository
// of the server, past its faults.
func PushImage(t *testing.T, s *Server, repository, of, layer string) imageindex.Manifest {
	t.Helper()
	config, err := json.Marshal(ocispecs.Image{Platform: *Platform(of), Config: ocispecs.ImageConfig{Env: []string{"OF=" + of}}})
	if err != nil {
		t.Fatal(err)
	}
	return PushManifest(t, s, repository, ocispecs.MediaTypeImageConfig, config, ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageLayer}, []byte(layer))
}

// PushManifest pushes a manifest of one layer.
func PushManifest(t *testing.T, s *Server, repository, configType string, config []byte, layer ocispecs.Descriptor, data []byte) imageindex.Manifest {
	t.Helper()
	layer.Digest, layer.Size = pushBlob(t, s, repository, data)
	manifest := ocispecs.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageManifest, Layers: []ocispecs.Descriptor{layer}}
	manifest.Config.MediaType = configType
	manifest.Config.Digest, manifest.Config.Size = pushBlob(t, s, repository, config)
	content, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	m := imageindex.Manifest{
		Descriptor: ocispecs.Descriptor{MediaType: manifest.MediaType, Digest: digest.FromBytes(content), Size: int64(len(content))},
		Content:    content,
	}
	Put(t, s, "/v2/"+repository+"/manifests/"+m.Descriptor.Digest.String(), m)
	return m
}

// Put puts a manifest at a path of the server, past its faults.
func Put(t *testing.T, s *Server, path string, m imageindex.Manifest) {
	t.Helper()
	send(t, s, http.MethodPut, path, m.Descriptor.MediaType, m.Content)
}

func pushBlob(t *testing.T, s *Server, repository string, data []byte) (digest.Digest, int64) {
	t.Helper()
	d := digest.FromBytes(data)
	send(t, s, http.MethodPost, "/v2/"+repository+"/blobs/uploads/?digest="+url.QueryEscape(d.String()), "application/octet-stream", data)
	return d, int64(len(data))
}

func send(t *testing.T, s *Server, method, path, contentType string, body []byte) {
	t.Helper()
	request, err := http.NewRequest(method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Fatalf("%s %s: %s", method, path, response.Status)
	}
}
