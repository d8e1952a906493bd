package imagetools

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/imageindex"
	"github.com/slipway-build/slipway/registry/remote"
)

// Inspection is an image as it is in a registry, with what there is to say of
// it.
type Inspection struct {
	// Name is the image as the user wrote it, Reference the normalized one.
	Name, Reference string
	// Image is the manifest or index.
	Image imageindex.Manifest

	index  ocispecs.Index // of Image, empty for a manifest
	client *remote.Client
}

// Inspect reads an image's manifest or index; the rest is read when it is
// asked for. The name is as a user writes it.
func Inspect(ctx context.Context, client *remote.Client, name string) (*Inspection, error) {
	ref, err := ParseName(name)
	if err != nil {
		return nil, err
	}
	i := &Inspection{Name: name, Reference: ref, client: client}
	if i.Image, err = client.Resolve(ctx, ref); err != nil {
		return nil, err
	}
	if i.Image.IsIndex() {
		i.index, err = imageindex.Decode(i.Image)
	}
	return i, err
}

// imageParts is one image of an inspection.
type imageParts struct {
	manifest ocispecs.Manifest
	// attestations are the manifests that describe it.
	attestations []ocispecs.Descriptor
}

// parts reads the manifests of the images, by platform.
func (i *Inspection) parts(ctx context.Context) (map[string]imageParts, error) {
	repository, _, err := registry.SplitReference(i.Reference)
	if err != nil {
		return nil, err
	}
	list := i.index.Manifests
	if !i.Image.IsIndex() {
		list = []ocispecs.Descriptor{i.Image.Descriptor}
	}
	all := make(map[string]imageParts)
	for _, d := range list {
		if !imageindex.IsImage(d.MediaType) || imageindex.IsAttestation(d) {
			continue
		}
		m := i.Image
		if i.Image.IsIndex() {
			if m, err = i.client.Fetch(ctx, repository, d); err != nil {
				return nil, err
			}
		} else if m.Descriptor.Platform, err = i.client.Platform(ctx, repository, m, nil); err != nil {
			return nil, err
		}
		var one imageParts
		if err := json.Unmarshal(m.Content, &one.manifest); err != nil {
			return nil, &imageindex.AssembleError{Problem: fmt.Sprintf("manifest %s is not valid JSON: %s", d.Digest, err)}
		}
		for _, a := range list {
			if imageindex.Describes(a) == d.Digest.String() {
				one.attestations = append(one.attestations, a)
			}
		}
		all[platformName(m.Descriptor.Platform)] = one
	}
	return all, nil
}

// platformName is the platform as images are listed by it; empty for none.
func platformName(p *ocispecs.Platform) string {
	if p == nil {
		return ""
	}
	return platforms.Format(platforms.Normalize(*p))
}

// configs reads the configurations of the images, by platform.
func (i *Inspection) configs(ctx context.Context) (map[string]*ocispecs.Image, error) {
	repository, _, err := registry.SplitReference(i.Reference)
	if err != nil {
		return nil, err
	}
	parts, err := i.parts(ctx)
	if err != nil {
		return nil, err
	}
	all := make(map[string]*ocispecs.Image, len(parts))
	for platform, part := range parts {
		data, err := i.client.Blob(ctx, repository, part.manifest.Config, imageindex.MaxManifest)
		if err != nil {
			return nil, err
		}
		config := &ocispecs.Image{}
		if err := json.Unmarshal(data, config); err != nil {
			return nil, fmt.Errorf("configuration %s of %s is not valid JSON: %w", part.manifest.Config.Digest, i.Reference, err)
		}
		all[platform] = config
	}
	return all, nil
}
