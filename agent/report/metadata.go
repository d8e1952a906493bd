package report

import (
	"encoding/json"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/event"
)

// The keys of the metadata file that are not those of Metadata: they depend on
// what was built.
const keyProvenance = "buildx.build.provenance"

// Metadata is the content of the metadata file of a build. The keys of images are
// BuildKit's, those of builds docker buildx's; what each platform came to is
// Slipway's own. The keys are an interface to scripts.
type Metadata struct {
	// Digest and Descriptor are those of the image, of its index where it has several
	// platforms; absent where no output is an image.
	Digest     digest.Digest        `json:"containerimage.digest,omitempty"`
	Descriptor *ocispecs.Descriptor `json:"containerimage.descriptor,omitempty"`
	// ConfigDigest is that of the image's configuration; absent for an image of
	// several platforms, each of which has its own.
	ConfigDigest string `json:"containerimage.config.digest,omitempty"`
	// Names are the names of the image, separated by commas.
	Names string `json:"image.name,omitempty"`
	// Ref names the solve in the history of its buildkitd, as BUILDER/NODE/ID; the
	// first of several.
	Ref string `json:"buildx.build.ref,omitempty"`
	// Provenance is what the builder recorded, as BUILDX_METADATA_PROVENANCE says. Of
	// several platforms, "/" and the platform follow the key.
	Provenance json.RawMessage `json:"buildx.build.provenance,omitempty"`
	// Warnings are the findings of the Dockerfile linter, with BUILDX_METADATA_WARNINGS.
	Warnings []event.Warning `json:"buildx.build.warnings,omitempty"`
	// Platforms are what each platform came to, by its name, as in "linux/amd64".
	Platforms map[string]PlatformMetadata `json:"slipway.platforms"`

	// more are what an exporter has answered besides, where one node has built all,
	// and the provenance by platform.
	more map[string]any
}

// PlatformMetadata is what the metadata file says of one platform.
type PlatformMetadata struct {
	// Digest and Descriptor are those of the image for the platform; absent where no
	// output is an image.
	Digest     string               `json:"digest,omitempty"`
	Descriptor *ocispecs.Descriptor `json:"descriptor,omitempty"`
	// Node and Pod are where it was built; the driver remote has no pod.
	Node string `json:"node"`
	Pod  string `json:"pod,omitempty"`
	// Ref is the ID of the solve in the history of that buildkitd.
	Ref string `json:"ref"`
	// Started and Completed are when it was built, by the agent's clock. Duration is
	// in seconds.
	Started   time.Time `json:"started"`
	Completed time.Time `json:"completed"`
	Duration  float64   `json:"duration"`
	// Warnings are the findings of the Dockerfile linter.
	Warnings []event.Warning `json:"warnings,omitempty"`
}

// MarshalJSON implements json.Marshaler: one object, whose keys are sorted. A key of
// Metadata wins over the same key of an exporter.
func (m Metadata) MarshalJSON() ([]byte, error) {
	type plain Metadata // without this method
	if m.Platforms == nil {
		m.Platforms = map[string]PlatformMetadata{}
	}
	raw, err := json.Marshal(plain(m))
	if err != nil {
		return nil, err
	}
	known := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &known); err != nil {
		return nil, err
	}
	all := make(map[string]any, len(m.more)+len(known))
	for key, value := range m.more {
		all[key] = value
	}
	for key, value := range known {
		all[key] = value
	}
	return json.Marshal(all)
}
