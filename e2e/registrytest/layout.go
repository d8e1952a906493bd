package registrytest

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// Layout reads an OCI image layout. What it returns is the content of
// index.json, whose manifests are what the layout holds.
func Layout(folder string) (v1.ImageIndex, error) {
	marker, err := os.ReadFile(filepath.Join(folder, "oci-layout"))
	if err != nil {
		return nil, fmt.Errorf("%s is no image layout: %w", folder, err)
	}
	var version struct {
		ImageLayoutVersion string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(marker, &version); err != nil || version.ImageLayoutVersion != "1.0.0" {
		return nil, fmt.Errorf("%s is no image layout of version 1.0.0: oci-layout is %q", folder, marker)
	}
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return nil, fmt.Errorf("read the image layout %s: %w", folder, err)
	}
	return index, nil
}

// Only is the one index or image that a layout holds; an image alone comes as
// an index with that image.
func Only(outer v1.ImageIndex) (v1.ImageIndex, error) {
	manifest, err := outer.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("read an index: %w", err)
	}
	if len(manifest.Manifests) != 1 {
		return nil, fmt.Errorf("the layout holds %d manifests and not one", len(manifest.Manifests))
	}
	if d := manifest.Manifests[0]; d.MediaType.IsIndex() {
		index, err := outer.ImageIndex(d.Digest)
		if err != nil {
			return nil, fmt.Errorf("read the layout's index: %w", err)
		}
		return index, nil
	}
	return outer, nil
}

// Unpack unpacks a tar, compressed by nothing, into a folder that exists. A
// name that leads out of the folder is an error.
func Unpack(archive, folder string) error {
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("unpack an archive: %w", err)
	}
	defer func() { _ = file.Close() }()
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", archive, err)
	}
	defer func() { _ = root.Close() }()
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unpack %s: %w", archive, err)
		}
		if err := unpackEntry(root, header, reader); err != nil {
			return fmt.Errorf("unpack %s from %s: %w", header.Name, archive, err)
		}
	}
}

func unpackEntry(root *os.Root, header *tar.Header, content io.Reader) error {
	switch header.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(filepath.Clean(header.Name), 0o755)
	case tar.TypeReg:
		if err := root.MkdirAll(filepath.Dir(header.Name), 0o755); err != nil {
			return err
		}
		out, err := root.Create(filepath.Clean(header.Name))
		if err != nil {
			return err
		}
		_, err = io.Copy(out, content)
		return errors.Join(err, out.Close())
	}
	return fmt.Errorf("an entry of type %q has no place in an image's archive", header.Typeflag)
}
