package registrytest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Platforms lists the platforms of the images in an index, in their order;
// attestations are not images.
func Platforms(index v1.ImageIndex) ([]string, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("read an index: %w", err)
	}
	var all []string
	for _, d := range manifest.Manifests {
		if !isAttestation(d) {
			all = append(all, platformOf(d))
		}
	}
	return all, nil
}

// Platform is the image for a platform, "linux/arm64", which must be in the
// index exactly once.
func Platform(index v1.ImageIndex, platform string) (v1.Image, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("read an index: %w", err)
	}
	wanted := slices.DeleteFunc(slices.Clone(manifest.Manifests), func(d v1.Descriptor) bool {
		return isAttestation(d) || platformOf(d) != platform
	})
	if len(wanted) != 1 {
		all, err := Platforms(index)
		return nil, errors.Join(fmt.Errorf("the index has %d images for %q: its platforms are %s", len(wanted), platform, strings.Join(all, ", ")), err)
	}
	image, err := index.Image(wanted[0].Digest)
	if err != nil {
		return nil, fmt.Errorf("read the image for %s: %w", platform, err)
	}
	return image, nil
}

// platformOf is a descriptor's platform, empty where it has none.
func platformOf(d v1.Descriptor) string {
	if d.Platform == nil {
		return ""
	}
	return d.Platform.String()
}

// checkPlatform compares the platform that an image says it is for with what
// was wanted; nothing may be wanted.
func checkPlatform(image v1.Image, platform string) error {
	if platform == "" {
		return nil
	}
	config, err := image.ConfigFile()
	if err != nil {
		return fmt.Errorf("configuration of an image: %w", err)
	}
	if got := config.Platform(); got == nil || got.String() != platform {
		return fmt.Errorf("the image is for %s and not for %s", got, platform)
	}
	return nil
}
