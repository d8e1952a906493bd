package imagetools

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/remote"
)

// Source is what an index is made of: an image in a registry or in an OCI image
// layout.
type Source struct {
	// Reference is normalized and has a tag or a digest. It is empty when the
	// source is a mere digest, which means the repository of the tags.
	Reference string
	// Descriptor is what is known of it and takes precedence over what the
	// registry says.
	Descriptor ocispecs.Descriptor
}

// ParseSource parses a source of an index: an image reference, a digest, or a
// descriptor as JSON. The error is a *fault.Usage.
func ParseSource(value string) (Source, error) {
	value = strings.TrimSpace(value) // files end with a line feed
	if d, err := digest.Parse(value); err == nil {
		return Source{Descriptor: ocispecs.Descriptor{Digest: d}}, nil
	}
	if strings.HasPrefix(value, digest.SHA256.String()+":") { // else an image called sha256
		return Source{}, &fault.Usage{Flag: "source", Value: value, Problem: "is not a digest", Hint: "sha256: and 64 digits of hexadecimal"}
	}
	if strings.HasPrefix(value, "{") {
		return parseDescriptor(value)
	}
	ref, err := parseReference("source", value)
	return Source{Reference: ref}, err
}

func parseDescriptor(value string) (Source, error) {
	var parsed struct {
		SchemaVersion int `json:"schemaVersion"`
		ocispecs.Descriptor
	}
	problem := ""
	if err := json.Unmarshal([]byte(value), &parsed); err != nil {
		problem = "is not a descriptor: " + err.Error()
	} else if parsed.SchemaVersion != 0 {
		problem = "is a manifest or index, not a descriptor that refers to one"
	} else if parsed.Digest.Validate() != nil {
		problem = fmt.Sprintf("its digest %q is none", parsed.Digest)
	}
	if problem != "" {
		return Source{}, &fault.Usage{
			Flag: "source", Value: remote.OneLine(value), Problem: problem,
			Hint: `a descriptor has the form {"mediaType":"…","digest":"sha256:…","size":1234}`,
		}
	}
	return Source{Descriptor: parsed.Descriptor}, nil
}

// ParseTag parses a value of --tag into a normalized reference with a tag; that
// of an OCI image layout may have the digest that is expected instead. The error
// is a *fault.Usage.
func ParseTag(value string) (string, error) {
	ref, err := parseReference("--tag", value)
	if err != nil || registry.IsLayout(ref) {
		return ref, err // a layout may be told which digest is expected
	}
	if _, what, err := registry.SplitReference(ref); err == nil && digest.Digest(what).Validate() == nil {
		return "", &fault.Usage{Flag: "--tag", Value: value, Problem: "holds a digest: which one it points at is what is made here"}
	}
	return ref, nil
}

// ParseName parses the name of an image into a normalized reference with a tag
// or a digest. The error is a *fault.Usage.
func ParseName(value string) (string, error) { return parseReference("image", value) }

func parseReference(flag, value string) (string, error) {
	if registry.IsLayout(value) {
		ref, err := registry.NormalizeLayout(value)
		if usage := (*fault.Usage)(nil); errors.As(err, &usage) {
			usage.Flag = flag
		}
		return ref, err
	}
	ref, err := reference.ParseNormalizedNamed(value)
	if err != nil {
		return "", &fault.Usage{
			Flag: flag, Value: value, Problem: "is not an image reference: " + err.Error(),
			Hint: "the form is [HOST/]NAME[:TAG], in lower case but for the tag, or oci-layout://DIR[:TAG]",
		}
	}
	return reference.TagNameOnly(ref).String(), nil
}
