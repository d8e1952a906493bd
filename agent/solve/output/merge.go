package output

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/internal/target"
)

// merge moves the content of src into the existing directory dst by renaming.
// Directories are merged, what else has the same name is replaced, the rest
// of dst stays. Symbolic links in dst are replaced, never followed.
func merge(src, dst string) error {
	entries, err := os.ReadDir(src)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		from, to := filepath.Join(src, entry.Name()), filepath.Join(dst, entry.Name())
		old, err := os.Lstat(to)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case entry.IsDir() && old.IsDir():
			if err := mergeDir(from, to); err != nil {
				return err
			}
			continue
		case entry.IsDir() != old.IsDir():
			// A rename does not replace one by the other.
			if err := target.RemoveTree(to); err != nil {
				return err
			}
		}
		if err := move(from, to, entry.IsDir()); err != nil {
			return err
		}
	}
	return nil
}

// mergeDir merges one directory into another and gives it the mode and time
// of the new one, as an export straight into it would.
func mergeDir(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if err := writable(from, info); err != nil {
		return err
	}
	if err := merge(from, to); err != nil {
		return err
	}
	// A directory of another user that the agent may write to keeps its own.
	if err := os.Chmod(to, info.Mode().Perm()); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if err := os.Chtimes(to, info.ModTime(), info.ModTime()); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

// move renames from to to. A directory must be writable for that, because its
// ".." changes.
func move(from, to string, dir bool) error {
	if !dir {
		return os.Rename(from, to)
	}
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if err := writable(from, info); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if info.Mode().Perm()&0o200 == 0 {
		return os.Chmod(to, info.Mode())
	}
	return nil
}

// writable lets the owner write to a directory whose image is read-only.
func writable(dir string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o700 == 0o700 {
		return nil
	}
	return os.Chmod(dir, info.Mode()|0o700)
}

// paths returns what the trees hold, relative to their roots; true for
// directories.
func paths(trees []string) (map[string]bool, error) {
	all := map[string]bool{}
	for _, tree := range trees {
		err := filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(tree, path)
			if err != nil {
				return err
			}
			all[rel] = entry.IsDir()
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// conflict returns a path that two trees have and that is not a directory in
// both; empty when there is none.
func conflict(trees []string) (string, error) {
	if len(trees) < 2 {
		return "", nil
	}
	seen := map[string]bool{}
	for _, tree := range trees {
		own, err := paths([]string{tree})
		if err != nil {
			return "", err
		}
		for _, path := range slices.Sorted(maps.Keys(own)) {
			dir := own[path]
			if other, ok := seen[path]; ok && (!dir || !other) {
				return path, nil
			}
			seen[path] = dir
		}
	}
	return "", nil
}

// prune removes from dir what is not wanted (paths relative to dir). Staging
// directories of other builds stay, and mount points: what is in them goes.
func prune(dir string, wanted map[string]bool, mounts target.MountPoints) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if _, ok := wanted[rel]; ok {
			return nil
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), target.StagingPrefix) {
			return filepath.SkipDir
		}
		if mounts[path] || entry.IsDir() && mounts.Below(path) != "" {
			return nil
		}
		if err := target.RemoveTree(path); err != nil {
			return err
		}
		if entry.IsDir() {
			return filepath.SkipDir
		}
		return nil
	})
}
