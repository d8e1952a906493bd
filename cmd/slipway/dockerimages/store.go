package dockerimages

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/target"
)

// The names of what is in the directory of a job.
const (
	stateFile = "state.json"
	lockFile  = "lock"
	blobsDir  = "blobs"
)

const (
	// stateVersion is the version of State.
	stateVersion = 1
	// maxState bounds the file that is read, in bytes.
	maxState = 16 << 20
	// maxImages is how many images of a job are kept; those that were kept first go,
	// images without a tag before others.
	maxImages = 100
	// jobAge is how long what a job has kept stays: other jobs remove it then.
	jobAge = 7 * 24 * time.Hour
)

// Store is the directory of one job. Processes that use it at the same time do not
// disturb each other.
type Store struct {
	dir string
}

// Open returns the store of a job, which is named by what is the same in all of its
// steps and different in all other jobs; empty where no CI system says so. The first of
// dirs that this user can write to holds it: the same one for all commands of a job.
func Open(dirs []string, job string) (*Store, error) {
	name := "shared"
	if job != "" {
		name = "job-" + digest.FromString(job).Encoded()[:16]
	}
	var errs []error
	for _, dir := range dirs {
		own := filepath.Join(dir, name)
		if err := usable(dir, own); err != nil {
			errs = append(errs, err)
			continue
		}
		removeOld(dir, name, time.Now())
		return &Store{own}, nil
	}
	return nil, fmt.Errorf("no directory can keep what docker build has built: %w", errors.Join(errs...))
}

// usable makes the directory of a job. It refuses one of another user: a directory for
// temporary files is anybody's.
func usable(parent, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, path := range []string{parent, dir} {
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || ok && int(stat.Uid) != os.Geteuid() {
			return fmt.Errorf("%s is not a directory of this user", path)
		}
		if info.Mode().Perm()&0o022 != 0 {
			return fmt.Errorf("%s can be written to by other users", path)
		}
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return lock.Close()
}

// removeOld removes the directories of other jobs that were not written to for long.
func removeOld(parent, own string, now time.Time) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return // it is looked at again by the next command
	}
	for _, entry := range entries {
		path := filepath.Join(parent, entry.Name())
		info, err := os.Stat(filepath.Join(path, stateFile))
		if err != nil {
			info, err = entry.Info()
		}
		if err != nil || entry.Name() == own || !entry.IsDir() || !isJob(path) || now.Sub(info.ModTime()) < jobAge {
			continue
		}
		_ = os.RemoveAll(path)
	}
}

// isJob reports whether a directory is that of a job: the one around it may be one in which
// others keep theirs.
func isJob(dir string) bool {
	id, ok := strings.CutPrefix(filepath.Base(dir), "job-")
	lock, err := os.Lstat(filepath.Join(dir, lockFile))
	return ok && len(id) == 16 && isHex(id) && err == nil && lock.Mode().IsRegular()
}

// Dir is the directory of the job, which has blobs/ALGORITHM/HEX as an OCI image layout
// has.
func (s *Store) Dir() string { return s.dir }

// State is what is kept, but for manifests and configurations, which are blobs.
type State struct {
	Version int `json:"version"`
	// Images are in the order in which they were kept, the last one first.
	Images []Image `json:"images"`
	// Lists are manifest lists of docker manifest create, by their normalized names.
	Lists map[string]List `json:"lists,omitempty"`
}

// Image is an image that was built, or was found in a registry.
type Image struct {
	// ID is the digest of the configuration, for several platforms that of the index.
	ID   digest.Digest `json:"id"`
	Kept time.Time     `json:"kept"`
	// Builder is the name of the builder that holds the layers; empty for an image that
	// was found in a registry.
	Builder string `json:"builder,omitempty"`
	// Affinity is by what the builder chose the pod.
	Affinity string `json:"affinity,omitempty"`
	// Tags are its names, normalized, with tags.
	Tags  []string `json:"tags,omitempty"`
	Parts []Part   `json:"parts"`
	// Registries are the repositories that have it, the last one first.
	Registries []Place `json:"registries,omitempty"`
	// Found are the manifests or indexes that names mean that were pulled. Several of a
	// registry may have the same configuration.
	Found map[string]digest.Digest `json:"found,omitempty"`
	// Pulled are those that any pull has found and that are not what was built: names of
	// that do not mean them.
	Pulled []digest.Digest `json:"pulled,omitempty"`
}

// Part is the image of one platform.
type Part struct {
	Platform ocispecs.Platform   `json:"platform"`
	Node     string              `json:"node,omitempty"`
	Pod      string              `json:"pod,omitempty"`
	Manifest ocispecs.Descriptor `json:"manifest"`
	Config   digest.Digest       `json:"config"`
	// Shown is the digest of the configuration without secrets, where it had any; the
	// builder has the other one.
	Shown   digest.Digest `json:"shown,omitempty"`
	Sources []string      `json:"sources,omitempty"`
}

// shown is the digest of the configuration that is kept.
func (p Part) shown() digest.Digest { return cmp.Or(p.Shown, p.Config) }

// Place is an image in a repository.
type Place struct {
	// Repository is normalized.
	Repository string              `json:"repository"`
	Descriptor ocispecs.Descriptor `json:"descriptor"`
}

// Read returns what is kept.
func (s *Store) Read() (State, error) {
	path := filepath.Join(s.dir, stateFile)
	data, err := (*source.Reader)(nil).Read(path, maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return State{Version: stateVersion}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("read what docker build has built: %w", err)
	}
	state, err := parseState(data)
	if err != nil {
		return State{}, fmt.Errorf("%s: %w: remove the file, and build again", path, err)
	}
	return state, nil
}

// parseState parses the content of a state file.
func parseState(data []byte) (State, error) {
	var state State
	if err := json.Unmarshal(data, &state); err != nil {
		return State{}, fmt.Errorf("is not valid: %w", err)
	}
	if state.Version != stateVersion {
		return State{}, fmt.Errorf("has version %d, and this program knows %d", state.Version, stateVersion)
	}
	for _, image := range state.Images {
		if err := image.ID.Validate(); err != nil {
			return State{}, fmt.Errorf("is not valid: image %q: %w", image.ID, err)
		}
		if len(image.Parts) == 0 {
			return State{}, fmt.Errorf("is not valid: image %s has no parts", image.ID)
		}
		for _, part := range image.Parts {
			if err := errors.Join(part.Manifest.Digest.Validate(), part.Config.Validate(), part.shown().Validate()); err != nil {
				return State{}, fmt.Errorf("is not valid: image %s: %w", image.ID, err)
			}
		}
	}
	return state, nil
}

// Update changes what is kept, while no other process does. The file is replaced as a
// whole; an error of change leaves it as it is.
func (s *Store) Update(ctx context.Context, change func(*State) error) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	state, err := s.Read()
	if err != nil {
		return err
	}
	if err := change(&state); err != nil {
		return err
	}
	state.bound()
	data, err := json.Marshal(state)
	if err != nil {
		return err
	}
	file, err := target.Open("", filepath.Join(s.dir, stateFile))
	if err == nil {
		err = file.Write(ctx, data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep what docker build has built: %w", err)
	}
	s.removeBlobs(state)
	return nil
}

// bound drops what is too much.
func (st *State) bound() {
	for len(st.Images) > maxImages {
		last := len(st.Images) - 1
		for i := last; i > 0; i-- {
			if len(st.Images[i].Tags) == 0 {
				last = i
				break
			}
		}
		st.Images = slices.Delete(st.Images, last, last+1)
	}
}

// lock waits until no other process changes the store. The lock goes with the process.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(s.dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keep what docker build has built: %w", err)
	}
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			// A file system without locks has one user at a time.
			return func() { _ = file.Close() }, nil
		}
		pause := time.NewTimer(lockPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			_ = file.Close()
			return nil, context.Cause(ctx)
		}
	}
}

// lockPause is how long a process waits before it tries to get the lock again. The lock
// is held for as long as it takes to write a file.
const lockPause = 5 * time.Millisecond

// blobPath is where a blob lies.
func (s *Store) blobPath(d digest.Digest) (string, error) {
	if err := d.Validate(); err != nil {
		return "", fmt.Errorf("digest %q: %w", d, err)
	}
	return filepath.Join(s.dir, blobsDir, d.Algorithm().String(), d.Encoded()), nil
}

// PutBlob keeps a manifest or a configuration. It is to be referred to by State before
// another process changes that: call it within Update.
func (s *Store) PutBlob(ctx context.Context, data []byte) error {
	path, err := s.blobPath(digest.FromBytes(data))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := target.Open("", path)
	if err != nil {
		return err
	}
	return file.Write(ctx, data, 0o600)
}

// Blob returns a manifest or a configuration.
func (s *Store) Blob(d digest.Digest) ([]byte, error) {
	path, err := s.blobPath(d)
	if err != nil {
		return nil, err
	}
	data, err := (*source.Reader)(nil).Read(path, maxState)
	if err != nil {
		return nil, err
	}
	if digest.FromBytes(data) != d {
		return nil, fmt.Errorf("%s has changed: remove %s, and build again", path, s.dir)
	}
	return data, nil
}

// removeBlobs removes the blobs that nothing refers to.
func (s *Store) removeBlobs(state State) {
	used := map[string]bool{}
	for _, image := range state.Images {
		for _, part := range image.Parts {
			used[part.Manifest.Digest.Encoded()] = true
			used[part.shown().Encoded()] = true
		}
	}
	dir := filepath.Join(s.dir, blobsDir, digest.SHA256.String())
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // there are none
	}
	for _, entry := range entries {
		if !used[entry.Name()] {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}

// Add adds an image, or puts one with the same ID in its place, with its tags and what
// registries have of it. Its tags are no longer those of other images.
func (st *State) Add(image Image) {
	st.untag(image.Tags...)
	if i := st.index(image.ID); i >= 0 {
		old := st.Images[i]
		image.Pulled = pulled(image, old)
		image.Tags = slices.Concat(image.Tags, old.Tags)
		for _, place := range old.Registries {
			if !slices.ContainsFunc(image.Registries, place.same) {
				image.Registries = append(image.Registries, place)
			}
		}
		for _, tag := range old.Tags {
			image.find(tag, old.Found[tag])
		}
		if image.Builder == "" { // what a builder holds can be saved, too
			image.Builder, image.Affinity, image.Parts = old.Builder, old.Affinity, old.Parts
		}
		st.Images = slices.Delete(st.Images, i, i+1)
	}
	st.Images = slices.Insert(st.Images, 0, image)
}

// same reports whether both are one image of one repository.
func (p Place) same(other Place) bool {
	return p.Repository == other.Repository && p.Descriptor.Digest == other.Descriptor.Digest
}

// index is the index of an image, -1 for none.
func (st *State) index(id digest.Digest) int {
	return slices.IndexFunc(st.Images, func(i Image) bool { return i.ID == id })
}

// Tag gives an image another name. found is the manifest or index that it means; empty where
// that is not one that was pulled.
func (st *State) Tag(id digest.Digest, name string, found digest.Digest) {
	st.untag(name)
	if i := st.index(id); i >= 0 {
		st.Images[i].Tags = append(st.Images[i].Tags, name)
		st.Images[i].find(name, found)
	}
}

// find notes what a name means; nothing where found is empty.
func (i *Image) find(name string, found digest.Digest) {
	if found == "" {
		return
	}
	if i.Found == nil {
		i.Found = map[string]digest.Digest{}
	}
	i.Found[name] = found
}

// found is the manifest or index that a name or NAME@DIGEST of the image means; empty where
// that is not one that was pulled.
func (i Image) found(name string) digest.Digest {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return ""
	}
	digested, ok := named.(reference.Digested)
	switch {
	case !ok:
		return i.Found[reference.TagNameOnly(named).String()]
	case slices.Contains(i.Pulled, digested.Digest()):
		return digested.Digest()
	}
	return ""
}

// pulled are Image.Pulled of two records of one image.
func pulled(a, b Image) []digest.Digest {
	all := slices.DeleteFunc(slices.Concat(a.Pulled, b.Pulled), func(d digest.Digest) bool { return a.hasPushed(d) || b.hasPushed(d) })
	slices.Sort(all)
	return slices.Compact(all)
}

// hasPushed reports whether a manifest or index was pushed of what was built.
func (i Image) hasPushed(d digest.Digest) bool {
	return i.Builder != "" && !slices.Contains(i.Pulled, d) && slices.ContainsFunc(i.Registries, func(place Place) bool { return place.Descriptor.Digest == d })
}

// as is the image as a normalized name means it: with the places that have just that.
func (i Image) as(name string) Image {
	found := i.Found[name]
	i.Registries = slices.DeleteFunc(slices.Clone(i.Registries), func(place Place) bool {
		if found != "" {
			return place.Descriptor.Digest != found
		}
		return i.Builder != "" && slices.Contains(i.Pulled, place.Descriptor.Digest)
	})
	if found != "" {
		i.Builder = "" // has one image of what may be an index
	}
	return i
}

// untag takes names from the images that have them.
func (st *State) untag(names ...string) {
	for i := range st.Images {
		for _, name := range names {
			delete(st.Images[i].Found, name)
		}
		st.Images[i].Tags = slices.DeleteFunc(st.Images[i].Tags, func(tag string) bool { return slices.Contains(names, tag) })
	}
}

// Pushed notes that a repository has an image.
func (st *State) Pushed(id digest.Digest, place Place) {
	i := st.index(id)
	if i < 0 {
		return
	}
	all := slices.DeleteFunc(st.Images[i].Registries, place.same)
	st.Images[i].Registries = slices.Insert(all, 0, place)
}

// names are those of the lists, in alphabetical order.
func (st *State) listNames() []string { return slices.Sorted(maps.Keys(st.Lists)) }
