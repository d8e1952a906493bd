package output

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/moby/buildkit/client/ociindex"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/agent/solve/layout"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// layoutDest is a directory in OCI image layout. One that exists gains the
// image.
type layoutDest struct{ path string }

// openLayoutDir checks the dest of an output that is an image layout.
func openLayoutDir(o Output, workdir string) (destination, *fault.Usage) {
	existing, rest, err := target.Resolve(workdir, o.Dest)
	if err != nil {
		return nil, o.unusable(err)
	}
	d := layoutDest{path: filepath.Join(existing, rest)}
	if err := target.WritableDir(existing); err != nil {
		return nil, o.mistake(fault.Cause(err), "")
	}
	if err := layout.CheckLinks(workdir, o.Dest); err != nil {
		return nil, o.unusable(err)
	}
	if err := d.check(); err != nil {
		return nil, o.mistake(fault.Cause(err), "")
	}
	return d, nil
}

func (d layoutDest) traits() traits { return traits{place: d.path, turn: turnFile} }

func (d layoutDest) parent() (string, error) {
	existing, _, err := target.Resolve("", d.path)
	return existing, err
}

func (d layoutDest) check() error {
	dir, err := d.parent()
	if err != nil {
		return err
	}
	if err := target.WritableDir(dir); err != nil || dir != d.path {
		return err
	}
	blobs := filepath.Join(dir, ocispecs.ImageBlobsDir)
	for _, sub := range []string{blobs, filepath.Join(blobs, "sha256")} {
		if err := target.WritableDir(sub); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	_, err = layout.ReadIndex(dir)
	return err
}

// layoutNames are the names an image gets in a layout, as BuildKit's client
// gives them.
func layoutNames(names []string) []ociindex.NameOrTag {
	if len(names) == 0 {
		return []ociindex.NameOrTag{ociindex.Tag("latest")}
	}
	out := make([]ociindex.NameOrTag, len(names))
	for i, name := range names {
		out[i] = ociindex.Name(name)
	}
	return out
}

// buildLayout makes a complete layout in dir of the image that root names.
// The blobs are moved there from another layout.
func buildLayout(ctx context.Context, from, dir string, root ocispecs.Descriptor, names []string) error {
	source, target := layout.Store{Dir: from}, layout.Store{Dir: dir}
	move := images.HandlerFunc(func(_ context.Context, desc ocispecs.Descriptor) ([]ocispecs.Descriptor, error) {
		old, err := source.Path(desc.Digest)
		if err != nil {
			return nil, err
		}
		path, err := target.Path(desc.Digest)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); err == nil {
			return nil, nil // two images share it
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		return nil, os.Rename(old, path)
	})
	// What a manifest refers to is read before the manifest moves, and one
	// that has moved already is found there.
	children := images.HandlerFunc(func(ctx context.Context, desc ocispecs.Descriptor) ([]ocispecs.Descriptor, error) {
		list, err := images.Children(ctx, source, desc)
		if err == nil {
			return list, nil
		}
		if moved, movedErr := images.Children(ctx, target, desc); movedErr == nil {
			return moved, nil
		}
		return nil, err
	})
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := images.Walk(ctx, images.Handlers(children, move), root); err != nil {
		return err
	}
	return ociindex.NewStoreIndex(dir).Put(root, layoutNames(names)...)
}

// place moves a complete layout to where nothing was, or its parts into the
// layout that is there, whose index.json comes last and at once.
func (d layoutDest) place(ctx context.Context, dir string) error {
	if err := os.MkdirAll(filepath.Dir(d.path), 0o755); err != nil {
		return err
	}
	err := os.Rename(dir, d.path)
	if !errors.Is(err, fs.ErrExist) {
		return err // nil, too; an empty directory is replaced
	}
	unlock, err := lockIndex(d.path)
	if err != nil {
		return err
	}
	defer unlock()
	data, err := layout.ReadIndex(d.path)
	if err != nil {
		return err
	}
	index := filepath.Join(dir, ocispecs.ImageIndexFile)
	added, err := os.ReadFile(index)
	if err != nil {
		return err
	}
	if err := os.WriteFile(index, data, 0o644); err != nil {
		return err
	}
	if err := putAll(dir, added); err != nil {
		return err
	}
	if err := addBlobs(ctx, dir, d.path); err != nil {
		return err
	}
	for _, name := range []string{ocispecs.ImageLayoutFile, ocispecs.ImageIndexFile} {
		if err := replaceFile(ctx, filepath.Join(dir, name), filepath.Join(d.path, name)); err != nil {
			return err
		}
	}
	return nil
}

// putAll adds the images of one index.json to that of a layout; what has the
// same name is replaced.
func putAll(dir string, added []byte) error {
	var index ocispecs.Index
	if err := json.Unmarshal(added, &index); err != nil {
		return err
	}
	for _, desc := range index.Manifests {
		name := ociindex.Tag(desc.Annotations[ocispecs.AnnotationRefName])
		if full := desc.Annotations[layout.ImageNameAnnotation]; full != "" {
			name = ociindex.Name(full)
		}
		if err := ociindex.NewStoreIndex(dir).Put(desc, name); err != nil {
			return err
		}
	}
	return nil
}

// addBlobs moves the blobs of one layout into another; those it
// has stay.
func addBlobs(ctx context.Context, from, to string) error {
	blobs := filepath.Join(from, ocispecs.ImageBlobsDir)
	return filepath.WalkDir(blobs, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		mine, err := entry.Info()
		if err != nil {
			return err
		}
		// One of another size is what an interrupted copy has left.
		if there, err := os.Stat(target); err == nil && there.Size() == mine.Size() {
			return nil
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return replaceFile(ctx, path, target)
	})
}

// lockIndex keeps others from changing a layout's index.json, with the lock
// that BuildKit's client takes.
func lockIndex(dir string) (unlock func(), err error) {
	path := filepath.Join(dir, ocispecs.ImageIndexFile+".lock")
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
			closeQuietly(f)
			return nil, err
		}
		// Whoever held it has removed it; a lock on nothing locks nobody out.
		mine, err := f.Stat()
		if err != nil {
			closeQuietly(f)
			return nil, err
		}
		if now, err := os.Stat(path); err != nil || !os.SameFile(mine, now) {
			closeQuietly(f)
			continue
		}
		return func() {
			removeQuietly(path)
			closeQuietly(f)
		}, nil
	}
}
