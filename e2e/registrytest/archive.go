package registrytest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// DockerArchive reads what `docker load` takes, a tar with a manifest.json, and
// returns the configurations of its images by their references. Every layer is
// read, and must be what the configuration says. An image without a reference
// is at "".
func DockerArchive(path string) (configs map[string]*v1.ConfigFile, err error) {
	manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(path) })
	if err != nil {
		return nil, fmt.Errorf("read the docker archive %s: %w", path, err)
	}
	folder, err := os.MkdirTemp("", "docker-archive-")
	if err != nil {
		return nil, fmt.Errorf("read the docker archive %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if err := Unpack(path, folder); err != nil {
		return nil, err
	}
	configs = map[string]*v1.ConfigFile{}
	for _, d := range manifest {
		config, err := dockerImage(folder, d)
		if err != nil {
			return nil, fmt.Errorf("image %q of %s: %w", d.RepoTags, path, err)
		}
		if len(d.RepoTags) == 0 {
			configs[""] = config
		}
		for _, reference := range d.RepoTags {
			configs[reference] = config
		}
	}
	if len(configs) == 0 {
		return nil, fmt.Errorf("%s holds no image", path)
	}
	return configs, nil
}

func dockerImage(folder string, d tarball.Descriptor) (*v1.ConfigFile, error) {
	raw, err := os.ReadFile(filepath.Join(folder, d.Config))
	if err != nil {
		return nil, fmt.Errorf("read its configuration: %w", err)
	}
	config, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("its configuration: %w", err)
	}
	if len(d.Layers) != len(config.RootFS.DiffIDs) {
		return nil, fmt.Errorf("it has %d layers and its configuration names %d", len(d.Layers), len(config.RootFS.DiffIDs))
	}
	for i, name := range d.Layers {
		file, err := os.Open(filepath.Join(folder, name))
		if err != nil {
			return nil, fmt.Errorf("read its layer %s: %w", name, err)
		}
		sums, err := readLayer(file, unspecified)
		if err := errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("layer %s: %w", name, err)
		}
		if sums.diffID != config.RootFS.DiffIDs[i] {
			return nil, fmt.Errorf("layer %s unpacks to %s and not to %s", name, sums.diffID, config.RootFS.DiffIDs[i])
		}
	}
	return config, nil
}
