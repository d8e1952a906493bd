package imagetools

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/remote"
)

// Source is what an index is made of: an image in a registry.
type Source struct {
	// Reference is normalized and has a tag or a digest. It is empty when the
	// source is a mere digest, which means the repository of the tags.
	Reference string
	// Descriptor is what is known of it and takes precedence over what the
	// registry says: Digest, Size, Platform and Annotations may be set.
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
	if err != nil {
		return Source{}, err
	}
	return Source{Reference: ref.String()}, nil
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

// ParseTag parses a value of --tag into a normalized reference with a tag. The
// error is a *fault.Usage.
func ParseTag(value string) (string, error) {
	ref, err := parseReference("--tag", value)
	if err != nil {
		return "", err
	}
	if _, digested := ref.(reference.Digested); digested {
		return "", &fault.Usage{Flag: "--tag", Value: value, Problem: "holds a digest: which one it points at is what is made here"}
	}
	return ref.String(), nil
}

// ParseName parses the name of an image into a normalized reference with a tag
// or a digest. The error is a *fault.Usage.
func ParseName(value string) (string, error) {
	ref, err := parseReference("image", value)
	if err != nil {
		return "", err
	}
	return ref.String(), nil
}

func parseReference(flag, value string) (reference.Named, error) {
	if strings.HasPrefix(value, "oci-layout://") {
		return nil, &fault.Usage{
			Flag: flag, Value: value, Problem: "directories with an OCI layout are not supported here",
			Hint: "push the image to a registry first",
		}
	}
	ref, err := reference.ParseNormalizedNamed(value)
	if err != nil {
		return nil, &fault.Usage{
			Flag: flag, Value: value, Problem: "is not an image reference: " + err.Error(),
			Hint: "the form is [HOST/]NAME[:TAG], in lower case but for the tag",
		}
	}
	return reference.TagNameOnly(ref), nil
}
