package imagetools

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/imageindex"
	"github.com/slipway-build/slipway/registry/remote"
)

// CreateOptions say which image is made out of which images.
type CreateOptions struct {
	// Tags are normalized references with a tag, see ParseTag; none only reads.
	Tags []string
	// Sources are the images in the order of the index. Those that are mere
	// digests belong to the repository of all others.
	Sources []Source
	// Append puts what the first tag points at before the sources.
	Append bool
	// Annotations are written into the index, see Assemble.
	Annotations []imageindex.Annotation
	// Platforms keeps only the images for these; none keeps all.
	Platforms []ocispecs.Platform
	// Carbon makes a single image manifest the result itself instead of an
	// index with one entry.
	Carbon bool
}

// Created is an image before it is published.
type Created struct {
	// Image is the index, or with CreateOptions.Carbon the manifest.
	Image imageindex.Manifest
	// members are the manifests that the image refers to, and repositories are
	// where these are now.
	members      []ocispecs.Descriptor
	repositories map[digest.Digest]string
	// indexes are the sources that were indexes.
	indexes []indexSource
	// searched are images without attestations of which not all that refers to
	// them was looked at.
	searched []digest.Digest
	tags     []string
}

// indexSource is an index and where it is.
type indexSource struct {
	repository string
	digest     digest.Digest
}

// Repositories are those of the tags, in alphabetical order.
func (c *Created) Repositories() []string {
	var names []string
	for _, tag := range c.tags {
		if name, _, err := registry.SplitReference(tag); err == nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// CreateMetadata is the content of the metadata file of index create. The keys are
// those of docker buildx.
type CreateMetadata struct {
	// Descriptor is that of what was made, as the tags point at it.
	Descriptor ocispecs.Descriptor `json:"containerimage.descriptor"`
	// Names are the repositories that it was pushed to, separated by commas; of an
	// image layout the directory.
	Names string `json:"image.name"`
}

// Metadata is the content of the metadata file.
func (c *Created) Metadata() CreateMetadata {
	names := strings.Join(c.Repositories(), ",")
	return CreateMetadata{Descriptor: c.Image.Descriptor, Names: strings.ReplaceAll(names, registry.LayoutScheme, "")}
}

// Validate reports, without asking a registry, what is missing for Create
// to begin. The error is a *fault.Usage.
func (o CreateOptions) Validate() error {
	_, err := o.locate()
	return err
}

// located is a source with the place where it is read.
type located struct {
	repository, what string
	given            ocispecs.Descriptor
}

// locate finds the repository of every source.
func (o CreateOptions) locate() ([]located, error) {
	sources := o.Sources
	if o.Append {
		if len(o.Tags) == 0 {
			return nil, &fault.Usage{Flag: "--append", Problem: "there is nothing to append to", Hint: "name the image with --tag"}
		}
		sources = append([]Source{{Reference: o.Tags[0]}}, sources...)
	}
	if len(o.Sources) == 0 {
		return nil, &fault.Usage{Flag: "source", Problem: "none is given", Hint: "name images, digests, or files with --file"}
	}
	var repositories []string
	for _, ref := range append(slices.Clone(o.Tags), references(sources)...) {
		name, _, err := registry.SplitReference(ref)
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
			all[i].repository, all[i].what, _ = registry.SplitReference(source.Reference)
			continue
		}
		if len(repositories) != 1 {
			return nil, &fault.Usage{
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
// registry yet. Besides the client's errors it returns *fault.Usage and
// *AssembleError.
func Create(ctx context.Context, client *remote.Client, o CreateOptions) (*Created, error) {
	places, err := o.locate()
	if err != nil {
		return nil, err
	}
	sources := make([]imageindex.Manifest, len(places))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(remote.CopyConcurrency)
	for i, place := range places {
		group.Go(fault.Guard(func() (err error) {
			sources[i], err = readSource(groupCtx, client, place)
			return err
		}))
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := tellApart(ctx, client, places, sources); err != nil {
		return nil, err
	}
	image, err := o.combine(sources)
	if err != nil {
		return nil, err
	}
	created := &Created{Image: image, repositories: map[digest.Digest]string{}, tags: o.Tags}
	for i, source := range sources {
		list, err := members(source)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			created.repositories[d.Digest] = places[i].repository
		}
		if source.IsIndex() {
			created.indexes = append(created.indexes, indexSource{places[i].repository, source.Descriptor.Digest})
		}
	}
	if err := created.attest(ctx, client); err != nil {
		return nil, err
	}
	if created.members, err = members(created.Image); err != nil {
		return nil, err
	}
	return created, created.expected()
}

// members are the descriptors that an image brings: those of an index, or the
// image itself, whatever its platform.
func members(image imageindex.Manifest) ([]ocispecs.Descriptor, error) {
	if image.IsIndex() {
		return imageindex.Members(image)
	}
	return []ocispecs.Descriptor{image.Descriptor}, nil
}

// expected fails when a tag names another digest than that of the image.
func (c *Created) expected() error {
	for _, tag := range c.tags {
		_, what, err := registry.SplitReference(tag)
		if err != nil {
			return err
		}
		if d := digest.Digest(what); d.Validate() == nil && d != c.Image.Descriptor.Digest {
			return &fault.Usage{
				Flag: "--tag", Value: tag, Problem: fmt.Sprintf("requested digest %s, and the image has %s", d, c.Image.Descriptor.Digest),
				Hint: "with --prefer-index=false a single image is copied as it is",
			}
		}
	}
	return nil
}

// readSource reads one source. What the user says of it goes before what the
// registry does, but for what the digest stands for.
func readSource(ctx context.Context, client *remote.Client, at located) (imageindex.Manifest, error) {
	m, err := client.Resolve(ctx, registry.JoinReference(at.repository, at.what))
	if err != nil {
		return imageindex.Manifest{}, err
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
			return imageindex.Manifest{}, &fault.Usage{
				Flag: "source", Value: registry.JoinReference(at.repository, at.what),
				Problem: fmt.Sprintf("its descriptor says %s %v, the registry has %v", differ.what, differ.said, differ.has),
			}
		}
	}
	read := m.Descriptor
	m.Descriptor = at.given
	m.Descriptor.MediaType, m.Descriptor.Digest, m.Descriptor.Size = read.MediaType, read.Digest, read.Size
	if p := at.given.Platform; imageindex.IsImage(m.Descriptor.MediaType) && (p == nil || p.OS == "" || p.Architecture == "") {
		m.Descriptor.Platform, err = client.Platform(ctx, at.repository, m, p)
	}
	return m, err
}

// combine makes the image of its sources.
func (o CreateOptions) combine(sources []imageindex.Manifest) (imageindex.Manifest, error) {
	if o.Carbon && len(sources) == 1 && len(o.Annotations) == 0 {
		return imageindex.Filter(sources[0], o.Platforms)
	}
	image, err := imageindex.Assemble(sources, o.Annotations)
	if err != nil {
		return imageindex.Manifest{}, err
	}
	return imageindex.Filter(image, o.Platforms)
}

// Publish copies all that the image refers to into the repository of every
// tag, then the image itself by its digest and what refers to these from outside,
// such as signatures, and sets the tags when all of that has succeeded
// everywhere. Steps are told to report, and what could not be copied of the
// signatures to warn, one line each.
func Publish(ctx context.Context, client *remote.Client, created *Created, report, warn func(string)) error {
	image := created.Image
	attached := attachments{client: client, report: report, warn: warn, found: map[digest.Digest][]attachment{}, told: map[digest.Digest]bool{}, partly: map[digest.Digest]bool{}}
	for _, repository := range created.Repositories() {
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(remote.CopyConcurrency)
		for _, d := range created.members {
			from := created.repositories[d.Digest]
			if from == repository {
				continue
			}
			report(fmt.Sprintf("copying %s from %s to %s", d.Digest, from, repository))
			group.Go(fault.Guard(func() error { return client.Copy(groupCtx, from, d, repository) }))
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if err := client.Push(ctx, repository, image); err != nil {
			return err
		}
		if err := attached.copy(ctx, created, repository); err != nil {
			return err
		}
	}
	for _, tag := range created.tags {
		report(fmt.Sprintf("pushing %s to %s", image.Descriptor.Digest, tag))
		if err := client.Tag(ctx, tag, image); err != nil {
			return err
		}
	}
	return nil
}
