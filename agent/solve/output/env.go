package output

import (
	"context"
	"io"
	"maps"
	"strings"

	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// EntitlementLocalDelete is the entitlement that buildx checks itself: a local
// output may remove what it finds in any directory.
const EntitlementLocalDelete = "buildx.local.delete"

// Env is what outputs take from the rest of a build and from the process that
// runs it. The zero value has no stdout, no environment and no registry.
type Env struct {
	// WorkDir is the working directory. A destination below it must not leave it
	// through a symbolic link; empty allows that.
	WorkDir string
	// Stdout is what an output with dest=- is written to; nil when there is
	// none. StdoutTerminal says that it is a terminal, which gets no archive.
	Stdout         io.Writer
	StdoutTerminal bool
	// Home is the user's home directory, which has the certificates for a Docker
	// engine by default; empty is none.
	Home string
	// Lookup reads the environment: where a Docker engine is, and the BUILDX_*
	// variables that shape an image. It may be nil.
	Lookup func(name string) (string, bool)
	// Files reads the certificates for a Docker engine; nil reads regular files
	// only.
	Files *source.Reader
	// Registry publishes what several nodes have built as one image; nil when
	// one node builds all.
	Registry Registry
	// Tags are the image references of --tag, normalized. They become the name
	// of every image output.
	Tags []string
	// Annotations are added to every image output.
	Annotations []imageindex.Annotation
	// AllowDelete lets mode=delete empty a directory that is not below WorkDir.
	AllowDelete bool
	// MultiPlatform says that an image of one platform is a list, too.
	MultiPlatform bool
	// Attested says that attestations were asked for.
	Attested bool
	// TagLast says that an image of one node, too, is pushed by digest and tagged by the
	// agent once it is known to be the right one.
	TagLast bool
}

// Registry is what publishing an image that was merged on the agent needs.
// Repositories and references are normalized: docker.io/library/name[:tag].
type Registry interface {
	// Fetch returns a manifest or index of a repository, verified against the
	// descriptor's digest.
	Fetch(ctx context.Context, repository string, desc ocispecs.Descriptor) (imageindex.Manifest, error)
	// Push uploads a manifest or index under its digest. What it refers to
	// must be there.
	Push(ctx context.Context, repository string, m imageindex.Manifest) error
	// Tag makes a reference with a tag point at a manifest of its repository
	// and verifies that it does.
	Tag(ctx context.Context, reference string, m imageindex.Manifest) error
}

// lookup is Lookup with "not set" where there is no environment.
func (env Env) lookup(name string) (string, bool) {
	if env.Lookup == nil {
		return "", false
	}
	return env.Lookup(name)
}

// complete is an image output with what other flags say of it: --tag replaces
// its name, --annotation adds to it.
func (env Env) complete(o Output) Output {
	attrs := maps.Clone(o.Attrs)
	if attrs == nil {
		attrs = map[string]string{}
	}
	if len(env.Tags) > 0 {
		attrs[attrName] = strings.Join(env.Tags, ",")
	}
	for _, a := range env.Annotations {
		attrs[a.ExporterKey()] = a.Value
	}
	o.Attrs = attrs
	return o
}

// Images says which images an output leaves on the builder or in registries.
type Images struct {
	// Names are their references, normalized.
	Names []string
	// AnyName says that the frontend names the image.
	AnyName bool
	// Pushed says that they are pushed.
	Pushed bool
}

// Images are the images of an output that is one on the builder, with the tags
// of the build in place of its own names if there are any.
func (o Output) Images(tags []string) Images {
	if o.Type != client.ExporterImage && o.Type != exporterRegistry {
		return Images{}
	}
	names := Env{Tags: tags}.complete(o).Attrs[attrName]
	return Images{
		Names:   normalizedNames(names),
		AnyName: names == anyName,
		Pushed:  o.Type == exporterRegistry || isTrue(o.Attrs, attrPush),
	}
}

// RewritesTimes reports whether the output sets the times of files in an image.
func (o Output) RewritesTimes() bool {
	value, given := o.Attrs[attrRewriteTimestamp]
	return given && value != "" && isTrue(o.Attrs, attrRewriteTimestamp)
}
