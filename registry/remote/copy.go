package remote

import (
	"context"
	"errors"
	"slices"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	oras "oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"

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
// what only refers to the image from outside of it, such as signatures: see
// Referrers and CosignTags.
func (c *Client) Copy(ctx context.Context, from string, desc ocispecs.Descriptor, to string) error {
	return c.copy(ctx, from, desc, to, content.Successors)
}

func (c *Client) copy(ctx context.Context, from string, desc ocispecs.Descriptor, to string, successors func(context.Context, content.Fetcher, ocispecs.Descriptor) ([]ocispecs.Descriptor, error)) error {
	if from == to {
		return nil
	}
	what := desc.Digest.String()
	source, sourceHost, err := c.place(ctx, from)
	if err != nil {
		return c.fail("copy", registry.JoinReference(from, what), from, err)
	}
	target, targetHost, err := c.place(ctx, to)
	if err != nil {
		return c.fail("copy", registry.JoinReference(to, what), to, err)
	}
	options := oras.CopyGraphOptions{Concurrency: CopyConcurrency, MaxMetadataBytes: imageindex.MaxManifest, FindSuccessors: successors}
	if repo, ok := source.(*repository); ok && sourceHost == targetHost {
		options.MountFrom = func(context.Context, ocispecs.Descriptor) ([]string, error) {
			return []string{repo.ref.Repository}, nil
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
	return writingTo(c.fail("copy", registry.JoinReference(to, what), targetHost, err))
}

// writingTo notes in an error that a copy has failed where it goes to.
func writingTo(err error) error {
	if known := (*Error)(nil); errors.As(err, &known) {
		known.Writing = true
	}
	return err
}

// withoutSubject are the successors of a manifest but for the one that it is
// about, which is there already or is not wanted.
func withoutSubject(ctx context.Context, fetcher content.Fetcher, desc ocispecs.Descriptor) ([]ocispecs.Descriptor, error) {
	all, err := content.Successors(ctx, fetcher, desc)
	if err != nil || desc.MediaType != ocispecs.MediaTypeImageManifest {
		return all, err
	}
	subject, err := subjectOf(ctx, fetcher, desc)
	if err != nil || subject == "" {
		return all, err
	}
	return slices.DeleteFunc(all, func(d ocispecs.Descriptor) bool { return d.Digest == subject }), nil
}
