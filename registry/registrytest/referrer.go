package registrytest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry/imageindex"
)

// PushReferrer puts a manifest into a repository of the server that is about
// another one, and adds it to the list of those that a server without lists is
// expected to have under a tag.
func PushReferrer(t *testing.T, s *Server, repository string, subject ocispecs.Descriptor, artifactType, text string) imageindex.Manifest {
	t.Helper()
	manifest := ocispecs.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageManifest, ArtifactType: artifactType,
		Config:      ocispecs.DescriptorEmptyJSON,
		Layers:      []ocispecs.Descriptor{{MediaType: artifactType}},
		Subject:     &ocispecs.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
		Annotations: map[string]string{"text": text},
	}
	manifest.Config.MediaType = artifactType // which the server lists for the type of the artifact
	pushBlob(t, s, repository, []byte("{}"))
	manifest.Layers[0].Digest, manifest.Layers[0].Size = pushBlob(t, s, repository, []byte(text))
	content, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	m := imageindex.Manifest{
		Descriptor: ocispecs.Descriptor{
			MediaType: manifest.MediaType, Digest: digest.FromBytes(content), Size: int64(len(content)),
			ArtifactType: artifactType, Annotations: manifest.Annotations,
		},
		Content: content,
	}
	Put(t, s, "/v2/"+repository+"/manifests/"+m.Descriptor.Digest.String(), m)
	list := IndexOf(t, ocispecs.MediaTypeImageIndex, nil, m)
	Put(t, s, "/v2/"+repository+"/manifests/"+strings.Replace(subject.Digest.String(), ":", "-", 1), list)
	return m
}
