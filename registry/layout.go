package registry

import (
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-build/slipway/internal/fault"
)

// LayoutScheme begins the names of images in OCI image layouts, which stand
// where images of registries do: oci-layout://DIR[:TAG][@DIGEST]. DIR with the
// scheme before it is in the place of the repository.
const LayoutScheme = "oci-layout://"

// IsLayout reports whether a reference or a repository is that of an OCI image
// layout.
func IsLayout(name string) bool { return strings.HasPrefix(name, LayoutScheme) }

// splitLayout splits a reference to an image in a layout as docker buildx does:
// a tag is what follows the last colon, if it could be one, and latest where
// there is neither tag nor digest.
func splitLayout(ref string) (repository, tag string, d digest.Digest, err error) {
	dir := strings.TrimPrefix(ref, LayoutScheme)
	if i := strings.LastIndexByte(dir, '@'); i >= 0 && reference.DigestRegexp.FindString(dir[i+1:]) == dir[i+1:] {
		if d, err = digest.Parse(dir[i+1:]); err != nil {
			return "", "", "", &fault.Usage{Flag: "reference", Value: ref, Problem: "has a digest that is none: " + err.Error()}
		}
		dir = dir[:i]
	}
	if i := strings.LastIndexByte(dir, ':'); i >= 0 && reference.TagRegexp.FindString(dir[i+1:]) == dir[i+1:] && dir[i+1:] != "" {
		dir, tag = dir[:i], dir[i+1:]
	}
	if dir == "" {
		return "", "", "", &fault.Usage{Flag: "reference", Value: ref, Problem: "names no directory", Hint: "the form is oci-layout://DIR:TAG or oci-layout://DIR@DIGEST"}
	}
	if tag == "" && d == "" {
		tag = "latest"
	}
	return LayoutScheme + dir, tag, d, nil
}

// NormalizeLayout is a reference to an image in a layout with the tag latest
// where it has neither tag nor digest. The error is a *fault.Usage.
func NormalizeLayout(ref string) (string, error) {
	repository, tag, d, err := splitLayout(ref)
	if err != nil {
		return "", err
	}
	if tag != "" {
		repository += ":" + tag
	}
	if d != "" {
		repository += "@" + d.String()
	}
	return repository, nil
}
