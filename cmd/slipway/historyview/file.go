package historyview

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/slipway-build/slipway/internal/target"
)

// WriteFile has an archive written to a file, whole or not at all.
func WriteFile(ctx context.Context, file target.File, write func(io.Writer) error) (err error) {
	dir, err := file.Staging()
	if err != nil {
		return err
	}
	staging, err := target.Stage(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, staging.Remove()) }()
	staged := filepath.Join(staging.Path(), "history.dockerbuild")
	out, err := os.OpenFile(staged, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // as docker buildx makes it
	if err != nil {
		return err
	}
	if err := errors.Join(write(out), out.Close()); err != nil {
		return err
	}
	return file.Place(ctx, staged)
}
