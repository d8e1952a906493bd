package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// New makes an image of layers.
func New(architecture string, config v1.Config, layers ...v1.Layer) (v1.Image, error) {
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	image, err := mutate.AppendLayers(image, layers...)
	if err != nil {
		return nil, fmt.Errorf("assemble an image: %w", err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("assemble an image: %w", err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config = "linux", architecture, config
	image, err = mutate.ConfigFile(image, file)
	if err != nil {
		return nil, fmt.Errorf("assemble an image: %w", err)
	}
	return image, nil
}

// Index makes one image of several, one for each architecture.
func Index(images map[string]v1.Image, order ...string) v1.ImageIndex {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, architecture := range order {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        images[architecture],
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	return index
}

// WriteLayout writes an OCI image layout that holds content under one tag, at
// a path where nothing is yet.
func WriteLayout(folder, tag string, content mutate.Appendable) error {
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return fmt.Errorf("write the image layout %s: %w", folder, err)
	}
	name := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag})
	switch content := content.(type) {
	case v1.Image:
		err = path.AppendImage(content, name)
	case v1.ImageIndex:
		err = path.AppendIndex(content, name)
	default:
		err = fmt.Errorf("%T is neither an image nor an index", content)
	}
	if err != nil {
		return fmt.Errorf("write the image layout %s: %w", folder, err)
	}
	return nil
}

// WriteArchive writes the image as a tar of an OCI image layout that containerd
// imports under the full reference.
func WriteArchive(out io.Writer, reference string, image v1.Image) error {
	w := tar.NewWriter(out)
	file := func(name string, size int64, content io.Reader) error {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: epoch}); err != nil {
			return err
		}
		_, err := io.Copy(w, content)
		return err
	}
	if err := archive(file, reference, image); err != nil {
		return fmt.Errorf("write the archive of %s: %w", reference, err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("write the archive of %s: %w", reference, err)
	}
	return nil
}

func archive(file func(string, int64, io.Reader) error, reference string, image v1.Image) error {
	text := func(name string, content []byte) error {
		return file(name, int64(len(content)), bytes.NewReader(content))
	}
	if err := text("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	written := map[v1.Hash]bool{}
	for _, layer := range layers {
		if err := layerFile(file, written, layer); err != nil {
			return err
		}
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return err
	}
	configName, err := image.ConfigName()
	if err != nil {
		return err
	}
	manifest, err := image.RawManifest()
	if err != nil {
		return err
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	index, err := json.Marshal(v1.IndexManifest{
		SchemaVersion: 2,
		MediaType:     types.OCIImageIndex,
		Manifests: []v1.Descriptor{{
			MediaType:   types.OCIManifestSchema1,
			Digest:      digest,
			Size:        int64(len(manifest)),
			Annotations: map[string]string{"io.containerd.image.name": reference},
		}},
	})
	if err != nil {
		return err
	}
	return errors.Join(text(blob(configName), config), text(blob(digest), manifest), text("index.json", index))
}

func layerFile(file func(string, int64, io.Reader) error, written map[v1.Hash]bool, layer v1.Layer) error {
	digest, err := layer.Digest()
	if err != nil || written[digest] {
		return err
	}
	written[digest] = true
	size, err := layer.Size()
	if err != nil {
		return err
	}
	content, err := layer.Compressed() // the stored form, which here is not compressed
	if err != nil {
		return err
	}
	return errors.Join(file(blob(digest), size, content), content.Close())
}

func blob(digest v1.Hash) string { return "blobs/" + digest.Algorithm + "/" + digest.Hex }

// ShortDigest is the start of the image's digest: a tag that changes exactly
// when the content does.
func ShortDigest(image v1.Image) (string, error) {
	digest, err := image.Digest()
	if err != nil {
		return "", fmt.Errorf("digest of an image: %w", err)
	}
	return digest.Hex[:12], nil
}

// Make puts what write makes at path, where nothing is yet, whole or not at all.
// The caller holds a lock.
func Make(path string, write func(temporary string) error) error {
	temporary := path + ".unfinished" // one that is there was left by a killed start
	if err := os.RemoveAll(temporary); err != nil {
		return fmt.Errorf("clear %s: %w", temporary, err)
	}
	if err := write(temporary); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("keep %s: %w", path, err)
	}
	return nil
}
