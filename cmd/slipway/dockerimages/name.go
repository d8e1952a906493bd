package dockerimages

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-build/slipway/internal/suggest"
)

// UnknownError is a name or an ID that no image has that was kept.
type UnknownError struct {
	// Object is what docker calls what was looked for: image or object.
	Object string
	// Name is what was given.
	Name string
	// Known are the names of the images that are kept.
	Known []string
}

// Error implements error. The words are those of docker, which scripts look for.
func (e *UnknownError) Error() string { return "No such " + e.Object + ": " + e.Name }

// Hints says what to do about the error.
func (e *UnknownError) Hints() []string {
	if len(e.Known) == 0 {
		return []string{"without an engine only images that docker build or docker pull has made known in this job exist, and there are none yet; docker build keeps its image unless --output is given"}
	}
	hints := make([]string, 0, 2)
	if near := suggest.Nearest(e.Name, e.Known); near != "" {
		hints = append(hints, "did you mean "+near+"?")
	}
	return append(hints, "without an engine only images that docker build or docker pull has made known in this job exist: docker images lists them")
}

// AmbiguousError is a part of an ID that several images have.
type AmbiguousError struct{ Name string }

// Error implements error.
func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%s is the beginning of the IDs of several images: give more of it", e.Name)
}

// IsUsage reports whether an error is one of what was asked for, and not of a registry or
// a builder.
func IsUsage(err error) bool {
	return errors.As(err, new(*OptionError)) || errors.As(err, new(*UnknownError)) || errors.As(err, new(*AmbiguousError)) || errors.As(err, new(*NotBuiltError))
}

// ParseTag parses a name that an image is to get. Without a tag it is latest.
func ParseTag(name string) (string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", fmt.Errorf("%q is not a valid image name: %w", name, err)
	}
	if _, ok := named.(reference.Digested); ok {
		return "", fmt.Errorf("%q: an image cannot be given a name with a digest", name)
	}
	return reference.TagNameOnly(named).String(), nil
}

// familiar is a normalized name as docker shows it: without docker.io/library/.
func familiar(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.FamiliarString(named)
}

// split returns the repository and the tag of a normalized name.
func split(name string) (repository, tag string) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name, ""
	}
	if tagged, ok := named.(reference.Tagged); ok {
		tag = tagged.Tag()
	}
	return named.Name(), tag
}

// Find returns the image that a name, NAME@DIGEST, an ID or the beginning of an ID means.
// The error is an *UnknownError or an *AmbiguousError.
func (st *State) Find(object, name string) (Image, error) {
	if named, err := reference.ParseNormalizedNamed(name); err == nil {
		if image, ok := st.named(named); ok {
			return image, nil
		}
	}
	var found []Image
	if prefix := strings.TrimPrefix(name, digest.SHA256.String()+":"); isHex(prefix) {
		for _, image := range st.Images {
			if strings.HasPrefix(image.ID.Encoded(), prefix) {
				found = append(found, image)
			}
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Image{}, &UnknownError{Object: object, Name: name, Known: st.familiarTags()}
	}
	return Image{}, &AmbiguousError{Name: name}
}

func (st *State) named(named reference.Named) (Image, bool) {
	digested, byDigest := named.(reference.Digested)
	full := reference.TagNameOnly(named).String()
	for _, image := range st.Images {
		if !byDigest && slices.Contains(image.Tags, full) {
			return image, true
		}
		for _, place := range image.Registries {
			if byDigest && place.Repository == named.Name() && place.Descriptor.Digest == digested.Digest() {
				return image, true
			}
		}
	}
	return Image{}, false
}

// familiarTags are the names of all images as docker shows them.
func (st *State) familiarTags() []string {
	var names []string
	for _, image := range st.Images {
		for _, tag := range image.Tags {
			names = append(names, familiar(tag))
		}
	}
	return names
}

// isHex reports whether a text can be the beginning of an ID.
func isHex(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "0123456789abcdef") == ""
}
