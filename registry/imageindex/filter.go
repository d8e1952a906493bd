package imageindex

import (
	"fmt"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Filter reduces an index to the images for some platforms and what describes
// them (attestations). No platforms, or all there are, leave the index as it
// is, byte for byte; an image manifest passes when its platform is among them.
// Manifests without a platform stay, as with docker buildx. The error is an
// *AssembleError.
func Filter(m Manifest, wanted []ocispecs.Platform) (Manifest, error) {
	if len(wanted) == 0 {
		return m, nil
	}
	matcher := platforms.Any(wanted...)
	if !m.IsIndex() {
		if p := m.Descriptor.Platform; p == nil || !matcher.Match(*p) {
			return Manifest{}, notAmong(wanted, []ocispecs.Descriptor{m.Descriptor})
		}
		return m, nil
	}
	index, err := Decode(m)
	if err != nil {
		return Manifest{}, err
	}
	kept := make(map[string]bool)
	for _, d := range index.Manifests {
		kept[d.Digest.String()] = !IsAttestation(d) && (d.Platform == nil || matcher.Match(*d.Platform))
	}
	var list []ocispecs.Descriptor
	for _, d := range index.Manifests {
		if kept[d.Digest.String()] || IsAttestation(d) && kept[Describes(d)] {
			list = append(list, d)
		}
	}
	if len(list) == 0 {
		return Manifest{}, notAmong(wanted, index.Manifests)
	}
	if len(list) == len(index.Manifests) {
		return m, nil
	}
	index.Manifests = list
	return encodeIndex(index, m.Descriptor.MediaType)
}

func notAmong(wanted []ocispecs.Platform, list []ocispecs.Descriptor) error {
	names := make([]string, len(wanted))
	for i, p := range wanted {
		names[i] = platforms.Format(p)
	}
	hint := ""
	if there := platformsOf(list); len(there) > 0 {
		hint = "there are: " + strings.Join(there, ", ")
	}
	return &AssembleError{
		Problem: fmt.Sprintf("--platform %s: the sources hold no such image", strings.Join(names, ",")),
		Hint:    hint,
	}
}
