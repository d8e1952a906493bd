package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/target"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// ReadFile reads an index of a layout, which a checkout may have brought: it
// waits for no pipe, and reads no endless file.
func ReadFile(path string) ([]byte, error) {
	return (*source.Reader)(nil).Read(path, imageindex.MaxManifest)
}

// CheckLinks refuses links in a layout through which its parts would be
// written outside of the working directory. What is no layout yet has none.
func CheckLinks(workdir, dir string) error {
	for _, name := range []string{ocispecs.ImageIndexFile, ocispecs.ImageIndexFile + ".lock", ocispecs.ImageLayoutFile, "ingest", ocispecs.ImageBlobsDir, filepath.Join(ocispecs.ImageBlobsDir, "sha256")} {
		if _, _, err := target.Resolve(workdir, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// ReadIndex returns the content of a layout's index.json, nil when there is
// none.
func ReadIndex(dir string) ([]byte, error) {
	file := filepath.Join(dir, ocispecs.ImageIndexFile)
	data, err := ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var index ocispecs.Index
	if err := json.Unmarshal(data, &index); err != nil && len(data) > 0 {
		return nil, fmt.Errorf("%s is not valid: %w", file, err)
	}
	return data, nil
}
