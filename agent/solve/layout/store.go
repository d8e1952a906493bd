package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry/imageindex"
)

// Store serves the blobs of an OCI image layout to the daemon. It implements
// content.Store and only reads; containerd's own store tries the file system by writing to it, which
// a layout on a read-only mount does not take.
type Store struct {
	// Dir is the directory of the layout.
	Dir string
}

// Path is where a blob lies, or would lie, in the layout.
func (s Store) Path(d digest.Digest) (string, error) {
	if err := d.Validate(); err != nil {
		return "", fmt.Errorf("digest %q: %w", d, errdefs.ErrInvalidArgument)
	}
	return filepath.Join(s.Dir, ocispecs.ImageBlobsDir, d.Algorithm().String(), d.Encoded()), nil
}

// notFound turns a missing file into the error that containerd's clients know.
func notFound(d digest.Digest, err error) error {
	if os.IsNotExist(err) {
		return fmt.Errorf("content %s: %w", d, errdefs.ErrNotFound)
	}
	return err
}

func blobInfo(d digest.Digest, info fs.FileInfo) content.Info {
	return content.Info{Digest: d, Size: info.Size(), CreatedAt: info.ModTime(), UpdatedAt: info.ModTime()}
}

// Info implements content.InfoProvider.
func (s Store) Info(_ context.Context, d digest.Digest) (content.Info, error) {
	path, err := s.Path(d)
	if err != nil {
		return content.Info{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return content.Info{}, notFound(d, err)
	}
	return blobInfo(d, info), nil
}

// ReaderAt implements content.Provider.
func (s Store) ReaderAt(_ context.Context, desc ocispecs.Descriptor) (content.ReaderAt, error) {
	path, err := s.Path(desc.Digest)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, notFound(desc.Digest, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errors.New("is not a regular file")}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	if (images.IsManifestType(desc.MediaType) || images.IsIndexType(desc.MediaType)) && info.Size() > imageindex.MaxManifest {
		_ = f.Close() // who asks for it reads it whole
		return nil, fmt.Errorf("manifest %s has more than the %d bytes that are read: %w", desc.Digest, imageindex.MaxManifest, errdefs.ErrOutOfRange)
	}
	return blob{f, info.Size()}, nil
}

// blob is a file as a content.ReaderAt.
type blob struct {
	*os.File
	size int64
}

// Size implements content.ReaderAt.
func (b blob) Size() int64 { return b.size }

// Walk implements content.Manager. Filters select by label, and a layout has
// none, so with filters there is nothing to visit.
func (s Store) Walk(_ context.Context, fn content.WalkFunc, filters ...string) error {
	if len(filters) > 0 {
		return nil
	}
	blobs := filepath.Join(s.Dir, ocispecs.ImageBlobsDir)
	return filepath.WalkDir(blobs, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(blobs, path)
		if err != nil {
			return err
		}
		d := digest.Digest(strings.Replace(filepath.ToSlash(rel), "/", ":", 1))
		if d.Validate() != nil {
			return nil // not a blob
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return fn(blobInfo(d, info))
	})
}

// readOnly answers everything that would change the layout.
func (s Store) readOnly() error {
	return fmt.Errorf("OCI image layout %s is read-only: %w", s.Dir, errdefs.ErrNotImplemented)
}

// Update implements content.Manager.
func (s Store) Update(context.Context, content.Info, ...string) (content.Info, error) {
	return content.Info{}, s.readOnly()
}

// Delete implements content.Manager.
func (s Store) Delete(context.Context, digest.Digest) error { return s.readOnly() }

// Writer implements content.Ingester.
func (s Store) Writer(context.Context, ...content.WriterOpt) (content.Writer, error) {
	return nil, s.readOnly()
}

// Status implements content.IngestManager.
func (s Store) Status(context.Context, string) (content.Status, error) {
	return content.Status{}, s.readOnly()
}

// ListStatuses implements content.IngestManager.
func (s Store) ListStatuses(context.Context, ...string) ([]content.Status, error) {
	return nil, nil
}

// Abort implements content.IngestManager.
func (s Store) Abort(context.Context, string) error { return s.readOnly() }
