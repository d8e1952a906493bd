package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
	"oras.land/oras-go/v2/errdef"

	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/target"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// Annotations of index.json: the full name of an image, and the manifest that
// another one is about. Both are containerd's.
const (
	annotationImageName = "io.containerd.image.name"
	annotationSubject   = "io.containerd.manifest.subject"
)

// layout is a directory with an OCI image layout, in the place of a repository.
// It is written as docker buildx does; what is there already stays.
type layout struct {
	dir string
	// workdir is what a link below it must not lead out of when the layout is
	// written.
	workdir string
}

// layout returns the layout in a directory.
func (c *Client) layout(dir string) *layout {
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(c.workdir, dir)
	}
	return &layout{dir: dir, workdir: c.workdir}
}

// missingError is an image that a layout does not have.
type missingError string

// Error implements error.
func (e missingError) Error() string { return string(e) }

// Is reports the error as one of what is not found.
func (e missingError) Is(target error) bool { return target == errdef.ErrNotFound }

// readFile reads a file of the layout, which a checkout may have brought: it
// waits for no pipe, and reads no endless file.
func (l *layout) readFile(path string) ([]byte, error) {
	return (*source.Reader)(nil).Read(path, imageindex.MaxManifest)
}

// index reads index.json; one that is missing is empty.
func (l *layout) index() (ocispecs.Index, error) {
	index := ocispecs.Index{Versioned: specs.Versioned{SchemaVersion: 2}}
	file := filepath.Join(l.dir, ocispecs.ImageIndexFile)
	data, err := l.readFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return index, nil
	}
	if err != nil {
		return index, err
	}
	if err := json.Unmarshal(data, &index); err != nil && len(data) > 0 {
		return index, fmt.Errorf("%s is not valid: %w", file, err)
	}
	return index, nil
}

// tagged finds a tag in index.json. A layout with one image only has that as
// latest, whatever it is called.
func (l *layout) tagged(tag string) (ocispecs.Descriptor, error) {
	index, err := l.index()
	if err != nil {
		return ocispecs.Descriptor{}, err
	}
	images := slices.DeleteFunc(index.Manifests, func(d ocispecs.Descriptor) bool { return d.Annotations[annotationSubject] != "" })
	for _, d := range images {
		if d.Annotations[ocispecs.AnnotationRefName] == tag {
			return d, nil
		}
	}
	if len(images) == 1 && tag == "latest" {
		return images[0], nil
	}
	if len(images) == 0 {
		return ocispecs.Descriptor{}, missingError("the directory holds no OCI image layout with an image in it")
	}
	return ocispecs.Descriptor{}, missingError(fmt.Sprintf("no image is tagged %q", tag))
}

// path is where a blob lies, or would lie.
func (l *layout) path(d digest.Digest) (string, error) {
	if err := d.Validate(); err != nil {
		return "", fmt.Errorf("digest %q: %w", d, err)
	}
	return filepath.Join(l.dir, ocispecs.ImageBlobsDir, d.Algorithm().String(), d.Encoded()), nil
}

// manifest implements place.
func (l *layout) manifest(_ context.Context, what string) (imageindex.Manifest, error) {
	desc := ocispecs.Descriptor{Digest: digest.Digest(what)}
	if desc.Digest.Validate() != nil {
		var err error
		if desc, err = l.tagged(what); err != nil {
			return imageindex.Manifest{}, err
		}
	}
	path, err := l.path(desc.Digest)
	if err != nil {
		return imageindex.Manifest{}, err
	}
	data, err := l.readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return imageindex.Manifest{}, missingError(fmt.Sprintf("the layout has no %s", desc.Digest))
	}
	if err != nil {
		return imageindex.Manifest{}, err
	}
	if found := desc.Digest.Algorithm().FromBytes(data); found != desc.Digest {
		return imageindex.Manifest{}, fmt.Errorf("the content of %s has digest %s", path, found)
	}
	return imageindex.Manifest{
		Descriptor: ocispecs.Descriptor{MediaType: manifestType(desc.MediaType, data), Digest: desc.Digest, Size: int64(len(data))},
		Content:    data,
	}, nil
}

// current implements place.
func (l *layout) current(ctx context.Context, what string, _ digest.Digest) (digest.Digest, error) {
	m, err := l.manifest(ctx, what)
	return m.Descriptor.Digest, err
}

// writing implements place.
func (l *layout) writing(ctx context.Context) context.Context { return ctx }

// Exists implements content.ReadOnlyStorage. A file of another size is what an
// interrupted copy has left.
func (l *layout) Exists(_ context.Context, desc ocispecs.Descriptor) (bool, error) {
	path, err := l.path(desc.Digest)
	if err != nil {
		return false, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Mode().IsRegular() && info.Size() == desc.Size, err
}

// Fetch implements content.ReadOnlyStorage.
func (l *layout) Fetch(_ context.Context, desc ocispecs.Descriptor) (io.ReadCloser, error) {
	path, err := l.path(desc.Digest)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe has nobody at its other end
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errors.New("is not a regular file")}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Push implements content.Pusher: a blob appears whole or not at all.
func (l *layout) Push(_ context.Context, desc ocispecs.Descriptor, data io.Reader) (err error) {
	path, err := l.path(desc.Digest)
	if err != nil {
		return err
	}
	if err := l.checkLinks(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), target.StagingPrefix+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	verifier := desc.Digest.Verifier()
	n, err := io.Copy(io.MultiWriter(file, verifier), io.LimitReader(data, desc.Size+1))
	switch {
	case err != nil:
	case n != desc.Size:
		err = fmt.Errorf("%s has not the size of %d bytes that its descriptor says", desc.Digest, desc.Size)
	case !verifier.Verified():
		err = fmt.Errorf("digest mismatch: the content is not %s", desc.Digest)
	default:
		err = file.Chmod(0o644)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// put implements place.
func (l *layout) put(ctx context.Context, m imageindex.Manifest, _ string) error {
	return l.Push(ctx, m.Descriptor, bytes.NewReader(m.Content))
}

// name implements place. An image that is asked for by its digest gets an entry
// without a tag.
func (l *layout) name(ctx context.Context, m imageindex.Manifest, what string) error {
	if err := l.put(ctx, m, what); err != nil {
		return err
	}
	entry := m.Descriptor
	entry.Annotations, entry.Platform = nil, nil
	if digest.Digest(what).Validate() == nil {
		return l.update(ctx, func(index *ocispecs.Index) {
			if !slices.ContainsFunc(index.Manifests, func(d ocispecs.Descriptor) bool { return d.Digest == entry.Digest }) {
				index.Manifests = append(index.Manifests, entry)
			}
		})
	}
	entry.Annotations = map[string]string{ocispecs.AnnotationRefName: what}
	return l.update(ctx, func(index *ocispecs.Index) {
		index.Manifests = slices.DeleteFunc(index.Manifests, func(d ocispecs.Descriptor) bool {
			return d.Annotations[ocispecs.AnnotationRefName] == what || d.Digest == entry.Digest && len(d.Annotations) == 0
		})
		index.Manifests = append(index.Manifests, entry)
	})
}

// checkLinks refuses links through which parts of the layout would be written
// outside of the working directory. What is no layout yet has none.
func (l *layout) checkLinks(more ...string) error {
	paths := []string{l.dir}
	for _, name := range []string{ocispecs.ImageIndexFile, ocispecs.ImageIndexFile + ".lock", ocispecs.ImageLayoutFile} {
		paths = append(paths, filepath.Join(l.dir, name))
	}
	for _, path := range append(paths, more...) {
		if _, _, err := target.Resolve(l.workdir, path); err != nil {
			return err
		}
	}
	return nil
}

// update changes index.json, at once and with nobody else doing so.
func (l *layout) update(ctx context.Context, change func(*ocispecs.Index)) error {
	if err := l.checkLinks(); err != nil {
		return err
	}
	unlock, err := l.lock()
	if err != nil {
		return err
	}
	defer unlock()
	index, err := l.index()
	if err != nil {
		return err
	}
	change(&index)
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, file := range []struct {
		name  string
		value any
	}{
		{ocispecs.ImageLayoutFile, ocispecs.ImageLayout{Version: ocispecs.ImageLayoutVersion}},
		{ocispecs.ImageIndexFile, index},
	} {
		data, err := json.Marshal(file.value)
		if err != nil {
			return err
		}
		to, err := target.Open(l.workdir, filepath.Join(l.dir, file.name))
		if err != nil {
			return err
		}
		if err := to.Write(ctx, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// lock keeps others from changing index.json, with the lock that BuildKit's
// client takes.
func (l *layout) lock() (unlock func(), err error) {
	path := filepath.Join(l.dir, ocispecs.ImageIndexFile+".lock")
	for {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
			return nil, errors.Join(err, file.Close())
		}
		// Who held it has removed it; a lock on nothing locks nobody out.
		mine, err := file.Stat()
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
		if now, err := os.Stat(path); err != nil || !os.SameFile(mine, now) {
			_ = file.Close()
			continue
		}
		return func() {
			_ = os.Remove(path)
			_ = file.Close()
		}, nil
	}
}

// maxWalked bounds how many manifests of a layout are looked at.
const maxWalked = 10000

// referrers implements place: entries of index.json say themselves what they
// are about, and the manifests of its images do.
func (l *layout) referrers(ctx context.Context, subject digest.Digest) (found []ocispecs.Descriptor, complete bool, err error) {
	index, err := l.index()
	if err != nil {
		return nil, false, err
	}
	seen := map[digest.Digest]bool{}
	for queue := index.Manifests; len(queue) > 0; queue = queue[1:] {
		if len(seen) >= maxWalked {
			return found, false, nil
		}
		d := queue[0]
		if seen[d.Digest] || !imageindex.IsManifest(d.MediaType) {
			continue
		}
		seen[d.Digest] = true
		m, err := l.manifest(ctx, d.Digest.String())
		if errors.Is(err, errdef.ErrNotFound) {
			continue // a layout need not hold all platforms
		}
		if err != nil {
			return nil, false, err
		}
		if m.IsIndex() {
			members, err := imageindex.Decode(m)
			if err != nil {
				return nil, false, err
			}
			queue = append(slices.Clip(queue), members.Manifests...)
			continue
		}
		var manifest ocispecs.Manifest
		if err := json.Unmarshal(m.Content, &manifest); err != nil {
			return nil, false, fmt.Errorf("manifest %s is not valid JSON: %w", d.Digest, err)
		}
		said := d.Annotations[annotationSubject] == subject.String()
		if !said && (manifest.Subject == nil || manifest.Subject.Digest != subject) {
			continue
		}
		entry := m.Descriptor
		entry.ArtifactType, entry.Annotations = manifest.ArtifactType, manifest.Annotations
		if entry.ArtifactType == "" {
			entry.ArtifactType = manifest.Config.MediaType
		}
		found = append(found, entry)
	}
	return found, true, nil
}

// link implements place: index.json gets an entry that names the subject.
func (l *layout) link(ctx context.Context, subject digest.Digest, desc ocispecs.Descriptor) error {
	entry := ocispecs.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size, ArtifactType: desc.ArtifactType}
	entry.Annotations = map[string]string{annotationSubject: subject.String()}
	for key, value := range desc.Annotations {
		if key != ocispecs.AnnotationRefName && key != annotationImageName {
			entry.Annotations[key] = value
		}
	}
	return l.update(ctx, func(index *ocispecs.Index) {
		if !slices.ContainsFunc(index.Manifests, func(d ocispecs.Descriptor) bool { return d.Digest == entry.Digest }) {
			index.Manifests = append(index.Manifests, entry)
		}
	})
}
