package report

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/agent/event"
)

// Report is what a build has produced and how.
type Report struct {
	// Builder is the name of the builder.
	Builder string
	// Outcome is the result of the build as a whole.
	Outcome event.Published
	// Parts are what each node did, in the order of the builder's nodes.
	Parts []Part
}

// Part is what one node did for a build.
type Part struct {
	Node string
	// Pod is the pod that solved it; empty with the remote driver.
	Pod string
	// Platforms are what it was asked for; empty for its default.
	Platforms []string
	// Platform is the node's own, which it builds for when it is asked for none.
	Platform string
	Result   event.Solved
	// Warnings are the findings of the Dockerfile linter.
	Warnings []event.Warning
	// Provenance is what the daemon recorded, by platform ("" when there is
	// only one); empty unless the build was asked for it.
	Provenance map[string]json.RawMessage
}

// Ref is the reference of the build as docker buildx writes it, BUILDER/NODE/ID: that
// of the first node; empty for a build of none.
func (r *Report) Ref() string {
	if len(r.Parts) == 0 {
		return ""
	}
	return strings.Join([]string{r.Builder, r.Parts[0].Node, r.Parts[0].Result.Ref}, "/")
}

// ImageID is the digest of the image's configuration where there is one
// image, that of the index where there are several; empty without an image.
// It is what docker and buildx call so.
func (r Report) ImageID() string {
	if r.Outcome.ConfigDigest != "" {
		return r.Outcome.ConfigDigest
	}
	if r.Outcome.Image != nil {
		return r.Outcome.Image.Digest.String()
	}
	return ""
}

// Metadata is the content of the metadata file. With warnings, those of the
// Dockerfile's linter are under docker buildx's key too.
func (r Report) Metadata(warnings bool) Metadata {
	m := Metadata{
		ConfigDigest: r.Outcome.ConfigDigest, Names: strings.Join(r.Outcome.Names, ","), Ref: r.Ref(),
		Platforms: map[string]PlatformMetadata{}, more: map[string]any{},
	}
	if len(r.Parts) == 1 {
		for key, value := range r.Parts[0].Result.Response {
			m.more[key] = decode(value)
		}
	}
	if d := r.Outcome.Image; d != nil {
		m.Digest, m.Descriptor = d.Digest, d
	}
	var found []event.Warning
	for _, part := range r.Parts {
		for platform, provenance := range part.Provenance {
			if platform == "" && len(r.Parts) > 1 && len(part.Platforms) > 0 {
				platform = part.Platforms[0]
			}
			if platform == "" {
				m.Provenance = provenance
			} else {
				m.more[keyProvenance+"/"+platform] = provenance
			}
		}
		maps.Copy(m.Platforms, r.platforms(part))
		found = append(found, part.Warnings...)
	}
	if warnings {
		m.Warnings = distinct(found)
	}
	return m
}

func (r Report) platforms(part Part) map[string]PlatformMetadata {
	all := map[string]PlatformMetadata{}
	result := part.Result
	list := part.Platforms
	if len(list) == 0 && part.Platform != "" {
		list = []string{part.Platform}
	}
	for _, name := range list {
		one := PlatformMetadata{
			Node: part.Node, Pod: part.Pod, Ref: result.Ref,
			Started: result.Started, Completed: result.Completed,
			Duration: result.Completed.Sub(result.Started).Seconds(),
			Warnings: part.Warnings,
		}
		if d, ok := r.Outcome.Images[name]; ok {
			one.Digest, one.Descriptor = d.Digest.String(), &d
		} else if result.Image != nil && len(list) == 1 {
			one.Digest, one.Descriptor = result.Image.Digest.String(), result.Image
		}
		all[name] = one
	}
	return all
}

// distinct drops what several nodes have found alike.
func distinct(list []event.Warning) []event.Warning {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(list), func(w event.Warning) bool {
		key, err := json.Marshal(w)
		again := err == nil && seen[string(key)]
		seen[string(key)] = true
		return again
	})
}

// decode undoes the base64 in which BuildKit passes JSON on, as buildx does;
// any other value stays as it is.
func decode(value string) any {
	raw, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return value
	}
	var object map[string]any
	var list []map[string]any
	if json.Unmarshal(raw, &object) == nil && len(object) > 0 || json.Unmarshal(raw, &list) == nil && len(list) > 0 {
		return json.RawMessage(raw)
	}
	return value
}
