package imagetools

import (
	"context"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry/imageindex"
	"github.com/slipway-build/slipway/registry/remote"
)

// tellApart completes the platforms of images of one platform that come from
// different sources, with the version and the features of the operating system
// in their configurations: Windows has an image for each version. Descriptors
// that clients can tell apart without are left as docker buildx has them.
func tellApart(ctx context.Context, client *remote.Client, places []located, sources []imageindex.Manifest) error {
	type member struct {
		source int
		desc   ocispecs.Descriptor
	}
	byPlatform := map[string][]member{}
	for i, source := range sources {
		list, err := members(source)
		if err != nil {
			return err
		}
		for _, d := range list {
			if key := imageindex.PlatformKey(d); key != "" {
				byPlatform[key] = append(byPlatform[key], member{i, d})
			}
		}
	}
	full := map[digest.Digest]ocispecs.Platform{}
	for _, same := range byPlatform {
		conflict := false
		for _, m := range same {
			conflict = conflict || m.source != same[0].source && m.desc.Digest != same[0].desc.Digest
		}
		if !conflict {
			continue
		}
		for _, m := range same {
			if m.desc.Platform.OSVersion != "" || !imageindex.IsImage(m.desc.MediaType) {
				continue
			}
			manifest, err := client.Manifest(ctx, places[m.source].repository, m.desc.Digest)
			if err != nil {
				return err
			}
			read, err := client.FullPlatform(ctx, places[m.source].repository, manifest)
			if err != nil {
				return err
			}
			if read != nil && (read.OSVersion != "" || len(read.OSFeatures) > 0) {
				p := *m.desc.Platform
				p.OSVersion, p.OSFeatures = read.OSVersion, read.OSFeatures
				full[m.desc.Digest] = p
			}
		}
	}
	if len(full) == 0 {
		return nil
	}
	for i, source := range sources {
		if source.IsIndex() {
			// Only its content changes: where there are several sources, it is
			// taken apart.
			changed, err := imageindex.WithPlatforms(source, full)
			if err != nil {
				return err
			}
			sources[i].Content = changed.Content
		} else if p, ok := full[source.Descriptor.Digest]; ok {
			sources[i].Descriptor.Platform = &p
		}
	}
	return nil
}
