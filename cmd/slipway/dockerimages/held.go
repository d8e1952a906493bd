package dockerimages

import (
	"cmp"
	"context"
	"slices"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// Identify sets the ID of an image by its parts, which are put in order: the digest of
// the configuration of one, that of the index of several, which is returned.
func (i *Image) Identify() (*ocispecs.Descriptor, error) {
	slices.SortFunc(i.Parts, func(a, b Part) int {
		return cmp.Compare(platforms.FormatAll(a.Platform), platforms.FormatAll(b.Platform))
	})
	if len(i.Parts) == 1 {
		i.ID = i.Parts[0].Config
		return nil, nil
	}
	sources := make([]imageindex.Manifest, len(i.Parts))
	for n, part := range i.Parts {
		desc := part.Manifest
		desc.Platform = &part.Platform
		sources[n] = imageindex.Manifest{Descriptor: desc}
	}
	index, err := imageindex.Assemble(sources, nil)
	if err != nil {
		return nil, err
	}
	i.ID = index.Descriptor.Digest
	return &index.Descriptor, nil
}

// AddPushed notes under which names the build itself has pushed the image.
func (i *Image) AddPushed(desc ocispecs.Descriptor, names []string) {
	desc.Annotations = nil
	for _, name := range names {
		repository, _ := split(name)
		if place := (Place{repository, desc}); !slices.ContainsFunc(i.Registries, place.same) {
			i.Registries = append(i.Registries, place)
		}
	}
}

// Keep keeps an image and its manifests and configurations.
func (s *Store) Keep(ctx context.Context, image Image, blobs [][]byte) error {
	return s.Update(ctx, func(state *State) error {
		for _, blob := range blobs {
			if err := s.PutBlob(ctx, blob); err != nil {
				return err
			}
		}
		state.Add(image)
		return nil
	})
}

// Held is the image for builders to export. dir is Store.Dir.
func (i Image) Held(dir string) *solve.HeldImage {
	held := &solve.HeldImage{Affinity: i.Affinity, Dir: dir}
	for _, part := range i.Parts {
		held.Parts = append(held.Parts, solve.HeldPart{
			Platform: part.Platform, Node: part.Node, Pod: part.Pod,
			Manifest: part.Manifest, ConfigDigest: part.Config, AtBuilder: part.Shown != "", Sources: part.Sources,
		})
	}
	return held
}

// ToSave returns the image that some names mean, and those of them that are names and no
// IDs. An archive has one image: several are an *OptionError.
func (s *Store) ToSave(names []string, platform string) (Image, []string, error) {
	state, err := s.Read()
	if err != nil {
		return Image{}, nil, err
	}
	var image Image
	var tags []string
	for i, name := range names {
		found, err := state.Find("image", name)
		if err != nil {
			return Image{}, nil, err
		}
		if i > 0 && found.ID != image.ID {
			return Image{}, nil, &OptionError{Problem: "docker save: " + names[0] + " and " + name + " are different images, and an archive has one here", Advice: "save each into a file of its own"}
		}
		image = found
		if full, err := ParseTag(name); err == nil && slices.Contains(found.Tags, full) {
			tags = append(tags, full)
		}
	}
	if image.Builder == "" {
		return Image{}, nil, &OptionError{Problem: "docker save: " + names[0] + " was pulled, and its layers are in its registry only", Advice: "copy it as an image layout: docker buildx imagetools create --tag oci-layout://DIR " + names[0]}
	}
	if platform != "" {
		image, _, err = image.only(platform)
	}
	return image, tags, err
}
