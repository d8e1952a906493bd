package output

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// noDefaultOCIArtifactEnv switches BuildKit's default format of attestations
// off, as in buildx.
const noDefaultOCIArtifactEnv = "BUILDX_NO_DEFAULT_OCI_ARTIFACT"

// imageAttrs are the attributes of an image exporter for one solve.
//
// BuildKit refuses an annotation for a platform that it does not build, so a
// job gets those of its own; and where several jobs make one image, what
// belongs to its index is written when that is made.
func imageAttrs(o Output, of job.Job) (map[string]string, error) {
	attrs := map[string]string{}
	for key, value := range o.Attrs {
		annotation, ok, err := exptypes.ParseAnnotationKey(key)
		switch {
		case key == attrDanglingEmptyOnly:
			// The name it has in the documents; BuildKit knows a misspelt one.
			attrs[string(exptypes.OptKeyDanglingEmptyOnly)] = value
		case !ok || err != nil:
			attrs[key] = value
		case of.Several() && (annotation.Type == exptypes.AnnotationIndex || annotation.Type == exptypes.AnnotationIndexDescriptor):
		case annotation.Platform == nil || len(of.Platforms) == 0 || has(of.Platforms, *annotation.Platform):
			attrs[key] = value
		case !has(slices.Concat(of.Siblings...), *annotation.Platform):
			return nil, &fault.Usage{
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
func checkAnnotations(o Output) *fault.Usage {
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
func setOCIArtifact(entry client.ExportEntry, env Env) {
	if entry.Type != client.ExporterImage && entry.Type != client.ExporterOCI {
		return
	}
	value, _ := env.lookup(noDefaultOCIArtifactEnv)
	off, err := strconv.ParseBool(value)
	if _, given := entry.Attrs[attrOCIArtifact]; err == nil && off && !given {
		entry.Attrs[attrOCIArtifact] = "false"
	}
}

// checkNoDefaultOCIArtifact checks the variable's value.
func checkNoDefaultOCIArtifact(env Env) *fault.Usage {
	value, ok := env.lookup(noDefaultOCIArtifactEnv)
	if _, err := strconv.ParseBool(value); ok && err != nil {
		return &fault.Usage{Flag: noDefaultOCIArtifactEnv, Value: value, Problem: "is neither true nor false"}
	}
	return nil
}
