package builders

import (
	"fmt"
	"strconv"
	"strings"
)

// BuildRef names a build of a builder's history. The zero BuildRef is the latest.
type BuildRef struct {
	// Builder and Node say where it is; empty where only ID or Offset is given.
	Builder, Node string
	// ID is that of the build; empty for one that is named by its Offset.
	ID string
	// Offset counts back from the latest build, which is 0.
	Offset int

	text string
}

// ParseBuildRef parses what docker buildx history takes, an ID or ^N for the one N
// builds before the latest, and the buildx.build.ref of a metadata file:
// BUILDER/NODE/ID. Empty is the latest.
func ParseBuildRef(text string) (BuildRef, error) {
	r := BuildRef{text: text}
	if offset, ok := strings.CutPrefix(text, "^"); ok {
		n, err := strconv.ParseUint(offset, 10, 31)
		if err != nil {
			return BuildRef{}, fmt.Errorf("build %q: %q is not a number of builds before the latest, for example ^1", text, offset)
		}
		r.Offset = int(n)
		return r, nil
	}
	parts := strings.Split(text, "/")
	switch len(parts) {
	case 1:
		r.ID = text
	case 3:
		r.Builder, r.Node, r.ID = parts[0], parts[1], parts[2]
		if r.Builder == "" || r.Node == "" || r.ID == "" {
			return BuildRef{}, errNoBuildRef(text)
		}
	default:
		return BuildRef{}, errNoBuildRef(text)
	}
	if strings.ContainsFunc(r.ID, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return BuildRef{}, errNoBuildRef(text)
	}
	return r, nil
}

func errNoBuildRef(text string) error {
	return fmt.Errorf("build %q: is not an ID, ^N or BUILDER/NODE/ID, as slipway history ls and buildx.build.ref of --metadata-file have them", text)
}

// String returns what was parsed.
func (r BuildRef) String() string { return r.text }
