// Package audit says what a build is, in a form for logs: who reads them learns what was
// built and where it went, and no value that may be a secret.
package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	control "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// The bounds of a line: clients choose what is in it. What is left out is counted.
const (
	maxText = 256 // bytes of one value
	maxList = 16  // elements of one list
)

// Build is what a client asks of buildkitd. Only what is named here is taken of a request:
// build arguments, labels, secrets, attributes of caches and the like are not.
type Build struct {
	// Ref is the client's reference of the build.
	Ref string
	// Frontends are those that were asked: one for buildctl, and what a client that
	// leads the build itself, such as slipway and docker buildx, has asked one by one.
	Frontends []Frontend
	// Exporters are the outputs.
	Exporters []Exporter
	// CacheExports are caches that are written, TYPE or TYPE:REF.
	CacheExports []string
	// Entitlements are those that are asked for.
	Entitlements []string

	frontends int // that were asked, with those that are not in the list
	exporters int // likewise
}

// Frontend is one that was asked, and for what.
type Frontend struct {
	// Name is dockerfile.v0 and the like; LLB for a graph of the client's own.
	Name string
	// Image is that of the frontend gateway.v0.
	Image string
	// Target and Filename are a Dockerfile's.
	Target, Filename string
	// Context is where the files come from if not from the client: a repository of git
	// or a URL.
	Context string
	// Source and Revision are what the client says of the checkout.
	Source, Revision string
}

// LLB is the name that stands for a graph of the client's own.
const LLB = "llb"

// Exporter is an output.
type Exporter struct {
	// Type is image, local, oci and the like.
	Type string
	// Names are references of images.
	Names []string
}

// Of returns what a client asks for.
func Of(r *control.SolveRequest) *Build {
	b := &Build{Ref: text(r.GetRef()), Entitlements: texts(r.GetEntitlements())}
	if r.GetFrontend() != "" || r.GetDefinition() != nil {
		b.add(r.GetFrontend(), r.GetFrontendAttrs(), r.GetDefinition())
	}
	// Daemons ignore the deprecated fields where the others are set; that a client has
	// set both is worth a line.
	all := r.GetExporters()
	if r.GetExporterDeprecated() != "" {
		all = append(slices.Clone(all), &control.Exporter{Type: r.GetExporterDeprecated(), Attrs: r.GetExporterAttrsDeprecated()})
	}
	b.exporters = len(all)
	for _, e := range all[:min(len(all), maxList)] {
		made := Exporter{Type: text(e.GetType())}
		var names []string
		if name := e.GetAttrs()["name"]; name != "" {
			names = strings.Split(name, ",")
		}
		if prefix := e.GetAttrs()["dangling-name-prefix"]; prefix != "" {
			names = append([]string{prefix + "@"}, names...) // the digest follows
		}
		made.Names = texts(names)
		b.Exporters = append(b.Exporters, made)
	}
	var caches []string
	if ref := r.GetCache().GetExportRefDeprecated(); ref != "" {
		caches = append(caches, "registry:"+ref)
	}
	for _, c := range r.GetCache().GetExports() {
		written := c.GetType()
		if ref := c.GetAttrs()["ref"]; ref != "" {
			written += ":" + ref
		}
		caches = append(caches, written)
	}
	b.CacheExports = texts(caches)
	return b
}

// Add notes what a client that leads the build itself asks of a frontend.
func (b *Build) Add(r *gateway.SolveRequest) {
	b.add(r.GetFrontend(), r.GetFrontendOpt(), r.GetDefinition())
}

func (b *Build) add(frontend string, attrs map[string]string, definition *pb.Definition) {
	asked := Frontend{Name: text(frontend)}
	switch {
	case frontend == "" && definition == nil:
		return // the empty result
	case frontend == "":
		asked.Name = LLB
	default:
		asked.Target, asked.Filename = text(attrs["target"]), text(attrs["filename"])
		asked.Source, asked.Revision = text(attrs["vcs:source"]), text(attrs["vcs:revision"])
		if frontend == "gateway.v0" {
			asked.Image = text(attrs["source"])
		}
		// "local" or nothing is the client's own directory; a name that other
		// frontends give it is no place.
		if from := attrs["context"]; strings.ContainsAny(from, ":/@") {
			asked.Context = text(from)
		}
	}
	if slices.Contains(b.Frontends, asked) {
		return
	}
	b.frontends++
	if len(b.Frontends) < maxList {
		b.Frontends = append(b.Frontends, asked)
	}
}

// Digest is that of the image that was made; empty for none.
func Digest(r *control.SolveResponse) string {
	made := r.GetExporterResponse()["containerimage.digest"]
	if digest.Digest(made).Validate() != nil {
		return ""
	}
	return made
}

// MarshalZerologObject implements zerolog.LogObjectMarshaler.
func (b *Build) MarshalZerologObject(e *zerolog.Event) {
	e.Str("ref", b.Ref)
	frontends := zerolog.Arr()
	for _, f := range b.Frontends {
		frontends.Object(f)
	}
	e.Array("frontends", frontends)
	if more := b.frontends - len(b.Frontends); more > 0 {
		e.Int("frontendsOmitted", more)
	}
	exporters := zerolog.Arr()
	for _, x := range b.Exporters {
		exporters.Object(x)
	}
	e.Array("exporters", exporters)
	if more := b.exporters - len(b.Exporters); more > 0 {
		e.Int("exportersOmitted", more)
	}
	if len(b.CacheExports) > 0 {
		e.Strs("cacheExports", b.CacheExports)
	}
	if len(b.Entitlements) > 0 {
		e.Strs("entitlements", b.Entitlements)
	}
}

// MarshalZerologObject implements zerolog.LogObjectMarshaler.
func (f Frontend) MarshalZerologObject(e *zerolog.Event) {
	e.Str("name", f.Name)
	fields := map[string]string{"image": f.Image, "target": f.Target, "filename": f.Filename, "context": f.Context, "source": f.Source, "revision": f.Revision}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name] != "" {
			e.Str(name, fields[name])
		}
	}
}

// MarshalZerologObject implements zerolog.LogObjectMarshaler.
func (x Exporter) MarshalZerologObject(e *zerolog.Event) {
	e.Str("type", x.Type)
	if len(x.Names) > 0 {
		e.Strs("names", x.Names)
	}
}

// text is a client's value as a short part of one line. Users and passwords in URLs are
// not in it.
func text(value string) string {
	// A URL that is cut in the middle of its password would not be redacted: it is
	// cut after that.
	value = sanitize.Line(value[:min(len(value), sanitize.MaxLine)])
	if len(value) <= maxText {
		return value
	}
	return strings.ToValidUTF8(value[:maxText], "") + "…"
}

// texts are values, and how many there are more than fit.
func texts(values []string) []string {
	var all []string
	for _, v := range values[:min(len(values), maxList)] {
		all = append(all, text(v))
	}
	if more := len(values) - maxList; more > 0 {
		all = append(all, fmt.Sprintf("… and %d more", more))
	}
	return all
}
