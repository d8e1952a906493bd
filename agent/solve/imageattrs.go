package solve

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry/imageindex"
)

// noDefaultOCIArtifactEnv switches BuildKit's default format of attestations
// off, as in buildx.
const noDefaultOCIArtifactEnv = "BUILDX_NO_DEFAULT_OCI_ARTIFACT"

// dressed is an output with what other flags say of it: --tag replaces its
// name, --annotation adds to it.
func (r Request) dressed(o Output) Output {
	attrs := maps.Clone(o.Attrs)
	if attrs == nil {
		attrs = map[string]string{}
	}
	if len(r.Tags) > 0 {
		attrs[attrName] = strings.Join(r.Tags, ",")
	}
	for _, a := range r.Annotations {
		attrs[a.ExporterKey()] = a.Value
	}
	o.Attrs = attrs
	return o
}

// imageAttrs are the attributes of an image exporter for one solve.
//
// BuildKit refuses an annotation for a platform that it does not build, so a
// job gets those of its own; and where several jobs make one image, what
// belongs to its index is written when that is made.
func imageAttrs(o Output, job Job) (map[string]string, error) {
	attrs := map[string]string{}
	for key, value := range o.Attrs {
		annotation, ok, err := exptypes.ParseAnnotationKey(key)
		switch {
		case key == attrDanglingEmptyOnly:
			// The name it has in the documents; BuildKit knows a misspelt one.
			attrs[string(exptypes.OptKeyDanglingEmptyOnly)] = value
		case !ok || err != nil:
			attrs[key] = value
		case job.Several() && (annotation.Type == exptypes.AnnotationIndex || annotation.Type == exptypes.AnnotationIndexDescriptor):
		case annotation.Platform == nil || len(job.Platforms) == 0 || has(job.Platforms, *annotation.Platform):
			attrs[key] = value
		case !has(slices.Concat(job.Siblings...), *annotation.Platform):
			return nil, &UsageError{
				Flag: "--annotation", Value: strings.TrimPrefix(key, "annotation-"),
				Problem: "the build has no platform " + platforms.FormatAll(*annotation.Platform),
				Hint:    "add it to --platform or leave the annotation out",
			}
		}
	}
	return attrs, nil
}

// has reports whether a list holds a platform.
func has(list []ocispecs.Platform, p ocispecs.Platform) bool {
	want := platforms.FormatAll(platforms.Normalize(p))
	return slices.ContainsFunc(list, func(other ocispecs.Platform) bool {
		return platforms.FormatAll(platforms.Normalize(other)) == want
	})
}

// annotationsAt returns the annotations of an output that belong to one
// level, sorted by key.
func annotationsAt(o Output, level imageindex.Level) []imageindex.Annotation {
	var out []imageindex.Annotation
	for _, key := range slices.Sorted(maps.Keys(o.Attrs)) {
		if a, ok, err := exptypes.ParseAnnotationKey(key); ok && err == nil && a.Type == string(level) {
			out = append(out, imageindex.Annotation{Level: level, Key: a.Key, Value: o.Attrs[key]})
		}
	}
	return out
}

// checkAnnotations finds annotations that the media types have no room for.
func checkAnnotations(o Output) *UsageError {
	if !isFalse(o.Attrs[attrOCIMediaTypes]) {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(o.Attrs)) {
		if a, ok, err := exptypes.ParseAnnotationKey(key); ok && err == nil && a.Type != exptypes.AnnotationManifest {
			return o.mistake(key+" needs OCI media types", "leave "+attrOCIMediaTypes+"=false out")
		}
	}
	return nil
}

// setOCIArtifact takes BuildKit's default for attestations back where the
// environment says so.
func setOCIArtifact(entry client.ExportEntry, r Request) {
	if entry.Type != client.ExporterImage && entry.Type != client.ExporterOCI {
		return
	}
	value, _ := r.lookup(noDefaultOCIArtifactEnv)
	off, err := strconv.ParseBool(value)
	if _, given := entry.Attrs[attrOCIArtifact]; err == nil && off && !given {
		entry.Attrs[attrOCIArtifact] = "false"
	}
}

// checkNoDefaultOCIArtifact checks the variable's value.
func checkNoDefaultOCIArtifact(r Request) *UsageError {
	value, ok := r.lookup(noDefaultOCIArtifactEnv)
	if _, err := strconv.ParseBool(value); ok && err != nil {
		return &UsageError{Flag: noDefaultOCIArtifactEnv, Value: value, Problem: "is neither true nor false"}
	}
	return nil
}

// place is the job's place among the jobs of its build.
func (j Job) place() int {
	for i, sibling := range j.Siblings {
		if slices.EqualFunc(sibling, j.Platforms, func(a, b ocispecs.Platform) bool {
			return platforms.FormatAll(a) == platforms.FormatAll(b)
		}) {
			return i
		}
	}
	return 0
}
