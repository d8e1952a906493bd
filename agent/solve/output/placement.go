package output

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/target"
)

// placement is how the trees in staging get to a directory. It is complete
// before anything is moved: what is on another file system has been copied
// there, so that renames are all that is left.
type placement struct {
	staging *staging
	mounts  target.MountPoints
	dest    string
	wanted  map[string]bool // what may stay in dest; nil for all
	modes   modes           // of directories, set last

	trees  []string // whose content goes to dest
	copies []step   // directories on other mounts; one in another comes later
	files  []step   // files that are mount points, to be overwritten
	opened []string // directories in dest that must be made writable for it
}

// step is a path in staging and the one that it goes to.
type step struct{ from, to string }

// add arranges one tree. It fails when put would, as far as that can be known.
func (p *placement) add(ctx context.Context, tree string) error {
	p.trees = append(p.trees, tree)
	return p.compare(ctx, tree, p.dest)
}

// compare looks for what stands in the way of merge(src, dst).
func (p *placement) compare(ctx context.Context, src, dst string) error {
	parent, err := os.Lstat(dst)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !parent.IsDir() {
		return nil
	}
	if err != nil {
		return err
	}
	if err := p.checkWritable(dst, parent); err != nil {
		return err
	}
	entries, err := os.ReadDir(src)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		from, to := filepath.Join(src, entry.Name()), filepath.Join(dst, entry.Name())
		old, err := os.Lstat(to)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir() && old.IsDir() && onOtherMount(p.mounts, parent, to, old):
			err = p.stageOnMount(ctx, from, to)
		case entry.IsDir() && old.IsDir():
			err = p.compare(ctx, from, to)
		case p.mounts[to] && entry.Type().IsRegular() && old.Mode().IsRegular():
			err = p.overwrite(from, to)
		case p.mounts[to]:
			err = fmt.Errorf("%s is a mount point, and the build has made something else of it", to)
		case old.IsDir():
			if mount := p.mounts.Below(to); mount != "" {
				err = fmt.Errorf("the build has made something else of directory %s, in which %s is a mount point", to, mount)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkWritable fails for a directory in dest that cannot be written to. One that is
// read-only in this build, too, is what an earlier build has left, and is
// opened for this one.
func (p *placement) checkWritable(dir string, info fs.FileInfo) error {
	err := target.WritableDir(dir)
	if err == nil {
		return nil
	}
	rel, relErr := filepath.Rel(p.dest, dir)
	_, denied := p.modes[rel]
	by, known := ownerOf(info)
	if errors.Is(err, unix.EACCES) && relErr == nil && denied && known && by.uid == os.Geteuid() && info.Mode().Perm()&0o500 == 0o500 {
		p.opened = append(p.opened, dir)
		return nil
	}
	return err
}

// stageOnMount copies a directory in staging to the mount that it belongs to. An empty
// one stays in its place, for the mode and time of the mount.
func (p *placement) stageOnMount(ctx context.Context, from, to string) error {
	if err := target.WritableDir(to); err != nil {
		return err
	}
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	there, err := p.staging.on(to)
	if err != nil {
		return err
	}
	if err := copyTree(ctx, from, there); err != nil {
		return err
	}
	if err := target.RemoveTree(from); err != nil {
		return err
	}
	if err := errors.Join(os.Mkdir(from, 0o700), os.Chmod(from, info.Mode()), inheritTimes(from, info)); err != nil {
		return err
	}
	p.copies = append(p.copies, step{there, to})
	return p.compare(ctx, there, to)
}

// overwrite takes a file out of its tree that will be written where it is.
func (p *placement) overwrite(from, to string) error {
	if err := unix.Access(to, unix.W_OK); err != nil {
		return fmt.Errorf("file %s is not writable: %w", to, err)
	}
	aside, err := p.staging.next()
	if err != nil {
		return err
	}
	p.files = append(p.files, step{aside, to})
	return os.Rename(from, aside)
}

// put moves everything to the destination. One that does not exist appears at
// once, complete. Files that cannot be replaced come last: writing them can
// still fail.
func (p *placement) put(ctx context.Context) error {
	if _, err := os.Stat(p.dest); errors.Is(err, fs.ErrNotExist) {
		for _, tree := range p.trees[1:] {
			if err := merge(tree, p.trees[0]); err != nil {
				return err
			}
		}
		if err := p.setModes(p.trees[0]); err != nil {
			return err
		}
		return placeNew(p.trees[0], p.dest)
	} else if err != nil {
		return err
	}
	for _, dir := range p.opened {
		if err := os.Chmod(dir, 0o700); err != nil {
			return err
		}
	}
	for _, s := range slices.Backward(p.copies) {
		if err := merge(s.from, s.to); err != nil {
			return err
		}
	}
	for _, tree := range p.trees {
		if err := merge(tree, p.dest); err != nil {
			return err
		}
	}
	if p.wanted != nil {
		if err := prune(p.dest, p.wanted, p.mounts); err != nil {
			return err
		}
	}
	if err := p.setModes(p.dest); err != nil {
		return err
	}
	for _, s := range p.files {
		if err := target.Overwrite(ctx, s.from, s.to); err != nil {
			return err
		}
	}
	return nil
}

// setModes sets the modes of directories, those in others first.
func (p *placement) setModes(root string) error {
	for _, path := range slices.Backward(slices.Sorted(maps.Keys(p.modes))) {
		// A directory of another user that the agent may write to keeps its own.
		if err := os.Chmod(filepath.Join(root, path), p.modes[path]); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

// placeNew moves a complete tree to where nothing was a moment ago.
func placeNew(tree, dest string) error {
	if err := os.MkdirAll(filepath.Dir(dest), 0o700); err != nil {
		return err
	}
	err := os.Rename(tree, dest)
	if errors.Is(err, fs.ErrExist) {
		// A concurrent build was faster.
		return merge(tree, dest)
	}
	return err
}

// onOtherMount reports whether files cannot be renamed from a directory into one of
// its directories: there is a mount, or a subvolume with a device of its own.
func onOtherMount(mounts target.MountPoints, parent fs.FileInfo, path string, dir fs.FileInfo) bool {
	return mounts[filepath.Clean(path)] || deviceOf(parent) != deviceOf(dir)
}
