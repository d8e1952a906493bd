// Package layout reads OCI image layouts on the agent: as a build context, as a
// local cache and as the place of an output. It only reads; nothing is locked or
// written, for a layout may lie on a read-only mount.
package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// Scheme starts the value of a context in OCI image layout.
const Scheme = "oci-layout://"

// ImageNameAnnotation is where containerd and BuildKit write the full name of
// an image in a layout's index.
const ImageNameAnnotation = "io.containerd.image.name"

// Image is an image in a layout.
type Image struct {
	// Dir is the directory of the layout.
	Dir string
	// Tag is what index.json calls the image; empty when only the digest counts.
	Tag string
	// Digest is that of the image's manifest or index; Open finds it.
	Digest digest.Digest
}

// Parse parses oci-layout://DIR[:TAG][@DIGEST].
func Parse(value string) (Image, error) {
	l := Image{Dir: strings.TrimPrefix(value, Scheme)}
	if i := strings.LastIndex(l.Dir, "@"); i >= 0 && reference.DigestRegexp.MatchString(l.Dir[i+1:]) {
		d, err := digest.Parse(l.Dir[i+1:])
		if err != nil {
			return Image{}, fmt.Errorf("digest %q: %w", l.Dir[i+1:], err)
		}
		l.Dir, l.Digest = l.Dir[:i], d
	}
	if i := strings.LastIndex(l.Dir, ":"); i >= 0 && reference.TagRegexp.FindString(l.Dir[i+1:]) == l.Dir[i+1:] {
		l.Dir, l.Tag = l.Dir[:i], l.Dir[i+1:]
	}
	if l.Dir == "" {
		return Image{}, errors.New("the directory is missing")
	}
	if l.Tag == "" && l.Digest == "" {
		l.Tag = "latest"
	}
	return l, nil
}

// Open finds the image that the value of a context means. The directory is
// absolute then; a relative one begins in the working directory.
func Open(workdir, value string) (Image, error) {
	l, err := Parse(value)
	if err != nil {
		return Image{}, err
	}
	if l.Dir, err = target.Absolute(workdir, l.Dir); err != nil {
		return Image{}, err
	}
	file := filepath.Join(l.Dir, ocispecs.ImageIndexFile)
	data, err := ReadFile(file)
	if err != nil {
		return Image{}, fmt.Errorf("%s is not an OCI image layout: %s: %s", l.Dir, ocispecs.ImageIndexFile, fault.Cause(err))
	}
	if l.Digest == "" {
		if l.Digest, err = tagged(data, l.Tag); err != nil {
			return Image{}, fmt.Errorf("%s: %w", file, err)
		}
	}
	return l, nil
}

// tagged returns the digest of a tag in an index.json. As with buildx, a
// layout with a single image needs no matching tag.
func tagged(data []byte, tag string) (digest.Digest, error) {
	var index ocispecs.Index
	if err := json.Unmarshal(data, &index); err != nil {
		return "", fmt.Errorf("is not valid: %w", err)
	}
	found := digest.Digest("")
	for _, annotation := range []string{ImageNameAnnotation, ocispecs.AnnotationRefName} {
		for _, m := range index.Manifests {
			if found == "" && m.Annotations[annotation] == tag {
				found = m.Digest
			}
		}
	}
	if found == "" && len(index.Manifests) == 1 {
		found = index.Manifests[0].Digest
	}
	if found == "" {
		return "", fmt.Errorf("no image is tagged %q", tag)
	}
	if err := found.Validate(); err != nil {
		return "", fmt.Errorf("the image tagged %q: %w", tag, err)
	}
	return found, nil
}

// Reference is how the frontend is told about the layout: the name of the
// content store that the session serves stands for the directory.
func (l Image) Reference(store string) string {
	ref := Scheme + store
	if l.Tag != "" {
		ref += ":" + l.Tag
	}
	return ref + "@" + l.Digest.String()
}
