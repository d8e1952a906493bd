package remote

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry"
)

// Create makes an image out of images: what docker buildx imagetools create
// does.
type Create struct {
	// Tags are normalized references with a tag, see ParseTag; none only reads.
	Tags []string
	// Sources are the images in the order of the index. Those that are mere
	// digests belong to the repository of all others.
	Sources []Source
	// Append puts what the first tag points at before the sources.
	Append bool
	// Annotations are written into the index, see Assemble.
	Annotations []Annotation
	// Platforms keeps only the images for these; none keeps all.
	Platforms []ocispecs.Platform
	// Carbon makes a single image manifest the result itself instead of an
	// index with one entry.
	Carbon bool
}

// Created is an image before it is published.
type Created struct {
	// Image is the index, or with Create.Carbon the manifest.
	Image Manifest
	// repositories are where the manifests that the image refers to are now.
	members      []ocispecs.Descriptor
	repositories map[digest.Digest]string
	tags         []string
}

// Repositories are those of the tags, in alphabetical order.
func (c *Created) Repositories() []string {
	var names []string
	for _, tag := range c.tags {
		if name, _, err := splitReference(tag); err == nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Validate reports, without asking a registry, what is missing for Create to
// begin. The error is a *UsageError.
func (r Create) Validate() error {
	_, err := r.locate()
	return err
}

// located is a source with the place where it is read.
type located struct {
	repository, what string
	given            ocispecs.Descriptor
}

// locate finds the repository of every source.
func (r Create) locate() ([]located, error) {
	sources := r.Sources
	if r.Append {
		if len(r.Tags) == 0 {
			return nil, &registry.UsageError{Flag: "--append", Problem: "there is nothing to append to", Hint: "name the image with --tag"}
		}
		sources = append([]Source{{Reference: r.Tags[0]}}, sources...)
	}
	if len(r.Sources) == 0 {
		return nil, &registry.UsageError{Flag: "source", Problem: "none is given", Hint: "name images, digests, or files with --file"}
	}
	var repositories []string
	for _, ref := range append(slices.Clone(r.Tags), references(sources)...) {
		name, _, err := splitReference(ref)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(repositories, name) {
			repositories = append(repositories, name)
		}
	}
	all := make([]located, len(sources))
	for i, source := range sources {
		all[i].given = source.Descriptor
		if source.Reference != "" {
			all[i].repository, all[i].what, _ = splitReference(source.Reference)
			continue
		}
		if len(repositories) != 1 {
			return nil, &registry.UsageError{
				Flag: "source", Value: source.Descriptor.Digest.String(),
				Problem: fmt.Sprintf("of which repository it is cannot be told, there are %d", len(repositories)),
				Hint:    "write REPOSITORY@DIGEST",
			}
		}
		all[i].repository, all[i].what = repositories[0], source.Descriptor.Digest.String()
	}
	return all, nil
}

func references(sources []Source) []string {
	var refs []string
	for _, source := range sources {
		if source.Reference != "" {
			refs = append(refs, source.Reference)
		}
	}
	return refs
}

// Create reads the sources and makes the image; nothing is written to a
// registry yet. Besides the client's errors it returns *UsageError and
// *AssembleError.
func (c *Client) Create(ctx context.Context, r Create) (*Created, error) {
	places, err := r.locate()
	if err != nil {
		return nil, err
	}
	sources := make([]Manifest, len(places))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(copyConcurrency)
	for i, place := range places {
		group.Go(fault.Guard(func() (err error) {
			sources[i], err = c.source(groupCtx, place)
			return err
		}))
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	image, err := r.combine(sources)
	if err != nil {
		return nil, err
	}
	created := &Created{Image: image, repositories: map[digest.Digest]string{}, tags: r.Tags}
	for i, source := range sources {
		list, err := members(source)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			created.repositories[d.Digest] = places[i].repository
		}
	}
	created.members, err = members(image)
	return created, err
}

// source reads one source. What the user says of it goes before what the
// registry does, but for what the digest stands for.
func (c *Client) source(ctx context.Context, at located) (Manifest, error) {
	m, err := c.read(ctx, "resolve", at.repository, at.what)
	if err != nil {
		return Manifest{}, err
	}
	for _, differ := range []struct {
		is        bool
		what      string
		said, has any
	}{
		{at.given.Size != 0 && at.given.Size != m.Descriptor.Size, "size", at.given.Size, m.Descriptor.Size},
		{at.given.MediaType != "" && at.given.MediaType != m.Descriptor.MediaType, "media type", at.given.MediaType, m.Descriptor.MediaType},
	} {
		if differ.is {
			return Manifest{}, &registry.UsageError{
				Flag: "source", Value: join(at.repository, at.what),
				Problem: fmt.Sprintf("its descriptor says %s %v, the registry has %v", differ.what, differ.said, differ.has),
			}
		}
	}
	m.Descriptor.Annotations = at.given.Annotations
	m.Descriptor.Platform = at.given.Platform
	if p := at.given.Platform; isImage(m.Descriptor.MediaType) && (p == nil || p.OS == "" || p.Architecture == "") {
		m.Descriptor.Platform, err = c.platform(ctx, at.repository, m, p)
	}
	return m, err
}

// combine makes the image of its sources.
func (r Create) combine(sources []Manifest) (Manifest, error) {
	if r.Carbon && len(sources) == 1 && len(r.Annotations) == 0 {
		return Filter(sources[0], r.Platforms)
	}
	image, err := Assemble(sources, r.Annotations)
	if err != nil {
		return Manifest{}, err
	}
	return Filter(image, r.Platforms)
}

// Publish copies all that the image refers to into the repository of every
// tag, then the image itself by its digest, and sets the tags when all of that
// has succeeded everywhere. Steps are told to report, one line each.
func (c *Client) Publish(ctx context.Context, created *Created, report func(step string)) error {
	image := created.Image
	for _, repository := range created.Repositories() {
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(copyConcurrency)
		for _, d := range created.members {
			from := created.repositories[d.Digest]
			if from == repository {
				continue
			}
			report(fmt.Sprintf("copying %s from %s to %s", d.Digest, from, repository))
			group.Go(fault.Guard(func() error { return c.Copy(groupCtx, from, d, repository) }))
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if err := c.Push(ctx, repository, image); err != nil {
			return err
		}
	}
	for _, tag := range created.tags {
		report(fmt.Sprintf("pushing %s to %s", image.Descriptor.Digest, tag))
		if err := c.Tag(ctx, tag, image); err != nil {
			return err
		}
	}
	return nil
}
