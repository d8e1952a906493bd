package imagetools

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/registry"
)

const indent = "  "

// Text is the inspection for people, in the layout of docker buildx
// imagetools inspect, which scripts are known to cut up.
func (i *Inspection) Text() string {
	var out bytes.Buffer
	w := newTable(&out)
	sanitize.Fprintf(w, "Name:\t%s\n", i.Reference)
	sanitize.Fprintf(w, "MediaType:\t%s\n", i.Image.Descriptor.MediaType)
	sanitize.Fprintf(w, "Digest:\t%s\n", i.Image.Descriptor.Digest)
	_ = w.Flush()
	if !i.Image.IsIndex() {
		return out.String()
	}
	fmt.Fprint(w, "\t\n")
	fmt.Fprint(w, "Manifests:\t\n")
	_ = w.Flush()
	for n, d := range i.index.Manifests {
		if n > 0 {
			fmt.Fprint(w, "\t\n")
		}
		i.printMember(w, d)
		if len(d.Annotations) == 0 {
			continue
		}
		sanitize.Fprintf(w, "%sAnnotations:\t\n", indent)
		_ = w.Flush() // annotations have columns of their own
		for _, key := range slices.Sorted(maps.Keys(d.Annotations)) {
			sanitize.Fprintf(w, "%s%s:\t%s\n", indent+indent, key, d.Annotations[key])
		}
		_ = w.Flush()
	}
	_ = w.Flush()
	return out.String()
}

func (i *Inspection) printMember(w io.Writer, d ocispecs.Descriptor) {
	sanitize.Fprintf(w, "%sName:\t%s\n", indent, withDigest(i.Reference, d))
	sanitize.Fprintf(w, "%sMediaType:\t%s\n", indent, d.MediaType)
	if p := d.Platform; p != nil {
		sanitize.Fprintf(w, "%sPlatform:\t%s\n", indent, platforms.Format(*p))
		if p.OSVersion != "" {
			sanitize.Fprintf(w, "%sOSVersion:\t%s\n", indent, p.OSVersion)
		}
		if len(p.OSFeatures) > 0 {
			sanitize.Fprintf(w, "%sOSFeatures:\t%s\n", indent, strings.Join(p.OSFeatures, ", "))
		}
	}
	if len(d.URLs) > 0 {
		sanitize.Fprintf(w, "%sURLs:\t%s\n", indent, strings.Join(d.URLs, ", "))
	}
}

// withDigest is the reference with the digest of one of its manifests.
func withDigest(ref string, d ocispecs.Descriptor) string {
	if registry.IsLayout(ref) {
		if dir, _, err := registry.SplitReference(ref); err == nil {
			return registry.JoinReference(dir, d.Digest.String())
		}
		return ref
	}
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	canonical, err := reference.WithDigest(named, d.Digest)
	if err != nil {
		return ref
	}
	return canonical.String()
}

// newTable aligns columns. What it writes to is a buffer, which does not fail.
func newTable(out io.Writer) *tabwriter.Writer {
	return tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
}
