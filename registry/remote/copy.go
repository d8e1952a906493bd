package remote

import (
	"context"
	"errors"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	oras "oras.land/oras-go/v2"

	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// CopyConcurrency is how many blobs are copied at once, as in docker and
// containerd.
const CopyConcurrency = 3

// Copy copies a manifest or index with all that it refers to from one
// repository to another. Within a registry, blobs are mounted and not sent;
// what is there already is skipped. desc has at least media type, digest and
// size. Layers that no registry may hold (with URLs) are left out, and so is
// what only refers to the image from outside of it, such as signatures.
func (c *Client) Copy(ctx context.Context, from string, desc ocispecs.Descriptor, to string) error {
	if from == to {
		return nil
	}
	what := desc.Digest.String()
	source, sourceHost, err := c.repository(ctx, from)
	if err != nil {
		return c.fail("copy", registry.JoinReference(from, what), from, err)
	}
	target, targetHost, err := c.repository(ctx, to)
	if err != nil {
		return c.fail("copy", registry.JoinReference(to, what), to, err)
	}
	options := oras.CopyGraphOptions{Concurrency: CopyConcurrency, MaxMetadataBytes: imageindex.MaxManifest}
	if sourceHost == targetHost {
		options.MountFrom = func(context.Context, ocispecs.Descriptor) ([]string, error) {
			return []string{source.ref.Repository}, nil
		}
	}
	err = c.retry(ctx, targetHost, func(ctx context.Context) error {
		return oras.CopyGraph(target.writing(ctx), source, target, desc, options)
	})
	var side *oras.CopyError
	if errors.As(err, &side) && side.Origin == oras.CopyErrorOriginSource {
		return c.fail("copy", registry.JoinReference(from, what), sourceHost, side.Err)
	}
	if side != nil {
		err = side.Err
	}
	err = c.fail("copy", registry.JoinReference(to, what), targetHost, err)
	if known := (*Error)(nil); errors.As(err, &known) {
		known.Writing = true
	}
	return err
}
