package solve

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// layoutScheme starts the value of a context in OCI image layout.
const layoutScheme = "oci-layout://"

// imageNameAnnotation is where containerd and BuildKit write the full name of
// an image in a layout's index.
const imageNameAnnotation = "io.containerd.image.name"

// layout is a context in OCI image layout.
type layout struct {
	dir    string
	tag    string
	digest digest.Digest
}

// parseLayout parses oci-layout://DIR[:TAG][@DIGEST].
func parseLayout(value string) (layout, error) {
	l := layout{dir: strings.TrimPrefix(value, layoutScheme)}
	if i := strings.LastIndex(l.dir, "@"); i >= 0 && reference.DigestRegexp.MatchString(l.dir[i+1:]) {
		d, err := digest.Parse(l.dir[i+1:])
		if err != nil {
			return layout{}, fmt.Errorf("digest %q: %w", l.dir[i+1:], err)
		}
		l.dir, l.digest = l.dir[:i], d
	}
	if i := strings.LastIndex(l.dir, ":"); i >= 0 && reference.TagRegexp.FindString(l.dir[i+1:]) == l.dir[i+1:] {
		l.dir, l.tag = l.dir[:i], l.dir[i+1:]
	}
	if l.dir == "" {
		return layout{}, errors.New("the directory is missing")
	}
	if l.tag == "" && l.digest == "" {
		l.tag = "latest"
	}
	return l, nil
}

// openLayout finds the image that value means. The layout may lie on a
// read-only mount, so nothing is locked in it.
func openLayout(value string) (layout, error) {
	l, err := parseLayout(value)
	if err != nil {
		return layout{}, err
	}
	if l.dir, err = filepath.Abs(l.dir); err != nil {
		return layout{}, err
	}
	file := filepath.Join(l.dir, ocispecs.ImageIndexFile)
	data, err := readFile(file)
	if err != nil {
		return layout{}, fmt.Errorf("%s is not an OCI image layout: %s: %s", l.dir, ocispecs.ImageIndexFile, cause(err))
	}
	if l.digest == "" {
		if l.digest, err = tagged(data, l.tag); err != nil {
			return layout{}, fmt.Errorf("%s: %w", file, err)
		}
	}
	return l, nil
}

// readFile reads an index of a layout, which a checkout may have brought: it
// waits for no pipe, and reads no endless file.
func readFile(path string) ([]byte, error) {
	return (*source.Reader)(nil).Read(path, imageindex.MaxManifest)
}

// tagged returns the digest of a tag in an index.json. As with buildx, a
// layout with a single image needs no matching tag.
func tagged(data []byte, tag string) (digest.Digest, error) {
	var index ocispecs.Index
	if err := json.Unmarshal(data, &index); err != nil {
		return "", fmt.Errorf("is not valid: %w", err)
	}
	found := digest.Digest("")
	for _, annotation := range []string{imageNameAnnotation, ocispecs.AnnotationRefName} {
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

// reference is how the frontend is told about the layout: the name of the
// content store that the session serves stands for the directory.
func (l layout) reference(store string) string {
	ref := layoutScheme + store
	if l.tag != "" {
		ref += ":" + l.tag
	}
	return ref + "@" + l.digest.String()
}
