package registrytest

import (
	"bytes"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Validate reads everything below an index and is nil where all of it is there
// and is what its digest, its size and its configuration say.
func Validate(index v1.ImageIndex) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return fmt.Errorf("read an index: %w", err)
	}
	raw, err := index.RawManifest()
	if err != nil {
		return fmt.Errorf("read an index: %w", err)
	}
	digest, err := index.Digest()
	if err != nil {
		return fmt.Errorf("read an index: %w", err)
	}
	failed := sameBytes(raw, v1.Descriptor{Digest: digest, Size: int64(len(raw))})
	for _, d := range manifest.Manifests {
		failed = errors.Join(failed, validateChild(index, d))
	}
	return failed
}

func validateChild(index v1.ImageIndex, d v1.Descriptor) error {
	what := fmt.Sprintf("%s (%s)", d.Digest, platformOf(d))
	switch {
	case d.MediaType.IsIndex():
		inner, err := index.ImageIndex(d.Digest)
		if err != nil {
			return fmt.Errorf("read the index %s: %w", what, err)
		}
		return errors.Join(sameManifest(inner, d), Validate(inner))
	case d.MediaType.IsImage():
		image, err := index.Image(d.Digest)
		if err != nil {
			return fmt.Errorf("read the image %s: %w", what, err)
		}
		if err := sameManifest(image, d); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		// An attestation has statements for layers, which are no archives.
		if isAttestation(d) {
			if _, err := statements(image); err != nil {
				return fmt.Errorf("attestation %s: %w", what, err)
			}
			return nil
		}
		return errors.Join(validateImage(what, image), checkPlatform(image, platformOf(d)))
	}
	return fmt.Errorf("%s has the media type %q, which is neither an image's nor an index's", what, d.MediaType)
}

// validateImage does what go-containerregistry's own package does for images,
// which takes every layer for one compressed by gzip.
func validateImage(what string, image v1.Image) error {
	manifest, err := image.Manifest()
	if err != nil {
		return fmt.Errorf("image %s: read its manifest: %w", what, err)
	}
	raw, err := image.RawConfigFile()
	if err != nil {
		return fmt.Errorf("image %s: read its configuration: %w", what, err)
	}
	if err := sameBytes(raw, manifest.Config); err != nil {
		return fmt.Errorf("image %s: its configuration: %w", what, err)
	}
	config, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("image %s: its configuration: %w", what, err)
	}
	if len(manifest.Layers) != len(config.RootFS.DiffIDs) {
		return fmt.Errorf("image %s has %d layers and its configuration names %d", what, len(manifest.Layers), len(config.RootFS.DiffIDs))
	}
	var failed error
	for i, d := range manifest.Layers {
		if err := validateLayer(image, d, config.RootFS.DiffIDs[i]); err != nil {
			failed = errors.Join(failed, fmt.Errorf("image %s: layer %s: %w", what, d.Digest, err))
		}
	}
	return failed
}

func validateLayer(image v1.Image, d v1.Descriptor, diffID v1.Hash) error {
	how, ok := compressions[d.MediaType]
	if !ok {
		return fmt.Errorf("its media type %q is none of a layer", d.MediaType)
	}
	layer, err := image.LayerByDigest(d.Digest)
	if err != nil {
		return fmt.Errorf("find it: %w", err)
	}
	content, err := layer.Compressed() // as it is stored, whatever the name says
	if err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	sums, err := readLayer(content, how)
	if err := errors.Join(err, content.Close()); err != nil {
		return err
	}
	if sums.digest != d.Digest || sums.size != d.Size {
		return fmt.Errorf("it has the digest %s and %d bytes, and not %d", sums.digest, sums.size, d.Size)
	}
	if sums.diffID != diffID {
		return fmt.Errorf("it unpacks to %s and not to %s", sums.diffID, diffID)
	}
	return nil
}

// withManifest is an image or an index.
type withManifest interface{ RawManifest() ([]byte, error) }

func sameManifest(content withManifest, d v1.Descriptor) error {
	raw, err := content.RawManifest()
	if err != nil {
		return fmt.Errorf("read the manifest: %w", err)
	}
	return sameBytes(raw, d)
}

// sameBytes compares content with what its descriptor says.
func sameBytes(raw []byte, d v1.Descriptor) error {
	digest, size, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("hash the content of %s: %w", d.Digest, err)
	}
	if digest != d.Digest || size != d.Size {
		return fmt.Errorf("the content of %s (%d bytes) has the digest %s and %d bytes", d.Digest, d.Size, digest, size)
	}
	return nil
}
