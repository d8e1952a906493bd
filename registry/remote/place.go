package remote

import (
	"context"
	"errors"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// place is where images are: a repository of a registry, or a directory with an
// OCI image layout.
type place interface {
	content.Storage
	// manifest reads a manifest by tag or digest, verified.
	manifest(ctx context.Context, what string) (imageindex.Manifest, error)
	// put stores a manifest under its digest.
	put(ctx context.Context, m imageindex.Manifest, what string) error
	// name makes a tag point at a manifest.
	name(ctx context.Context, m imageindex.Manifest, what string) error
	// current is the digest that a tag points at; want is the one hoped for.
	current(ctx context.Context, tag string, want digest.Digest) (digest.Digest, error)
	// referrers are the manifests that say that they are about another one;
	// complete is false when there are more than are read.
	referrers(ctx context.Context, subject digest.Digest) (list []ocispecs.Descriptor, complete bool, err error)
	// link makes a manifest one of the referrers of another, where its content
	// alone does not.
	link(ctx context.Context, subject digest.Digest, desc ocispecs.Descriptor) error
	// writing is a context for requests that read and write.
	writing(ctx context.Context) context.Context
}

// place returns where images are by the name of the repository or the layout,
// and the host that requests go to, for a layout its name.
func (c *Client) place(ctx context.Context, name string) (place, string, error) {
	if dir, ok := strings.CutPrefix(name, registry.LayoutScheme); ok {
		return c.layout(dir), name, nil
	}
	repo, host, err := c.repository(ctx, name)
	if err != nil {
		return nil, host, err
	}
	return repo, host, nil
}

// layoutError is the error of a layout as a user meets it: what the user has
// named cannot be read or written.
func layoutError(op, reference string, err error) error {
	if known := (*fault.Usage)(nil); errors.As(err, &known) {
		return err
	}
	e := &fault.Usage{Flag: op, Value: reference, Problem: fault.Cause(err)}
	var hints interface{ Hints() []string }
	if errors.As(err, &hints) {
		e.Hint = strings.Join(hints.Hints(), "; ")
	}
	return e
}
