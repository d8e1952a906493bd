// Package target writes to where a user wants results. Such a place may be a
// file or a directory, a link to one, a named pipe, a device, an open descriptor
// or a mounted file. Whatever is refused is refused by Resolve and Open, which
// leave no trace, so that it is known before a build begins.
package target

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// maxLinks is how many links lead to a file at most, as in the kernel.
const maxLinks = 40

// LeavesError is a path below the working directory that leads out of it.
type LeavesError struct {
	Path, To string
}

// Error implements error.
func (e *LeavesError) Error() string {
	return fmt.Sprintf("%s leads out of the working directory, to %s, through a symbolic link", e.Path, e.To)
}

// Hint says what to do about the error.
func (e *LeavesError) Hint() string {
	return "a link in a checkout must not choose where files are written: remove it, or name the place itself: " + e.To
}

// Hints is Hint for those who print errors.
func (e *LeavesError) Hints() []string { return []string{e.Hint()} }

// Absolute is a path that may begin in the working directory. An error is one without
// a working directory, which somebody may have removed.
func Absolute(workdir, path string) (string, error) {
	if filepath.IsAbs(path) {
		return filepath.Clean(path), nil
	}
	if workdir == "" {
		return "", fmt.Errorf("%s begins in the working directory, and there is none any more", path)
	}
	return filepath.Join(workdir, path), nil
}

// Resolve splits a path into the directory or file that exists, absolute and
// without symbolic links, and the rest that does not. A path below workdir must
// not leave it through a link: a checkout may have brought that. Where else a
// path leads is the user's own decision. An empty workdir allows all, for paths that
// are absolute.
func Resolve(workdir, path string) (existing, rest string, err error) {
	path, err = Absolute(workdir, path)
	if err != nil {
		return "", "", err
	}
	given := path
	for {
		existing, err = filepath.EvalSymlinks(path)
		if err == nil {
			return existing, rest, stays(workdir, given, filepath.Join(existing, rest))
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", "", err
		}
		if _, lerr := os.Lstat(path); lerr == nil {
			if end, err := follow(path); err == nil {
				if err := stays(workdir, given, filepath.Join(end, rest)); err != nil {
					return "", "", err
				}
			}
			return "", "", fmt.Errorf("%s is a symbolic link to nothing", path)
		}
		rest = filepath.Join(filepath.Base(path), rest)
		path = filepath.Dir(path)
	}
}

// stays fails for a path below workdir that leads elsewhere.
func stays(workdir, path, resolved string) error {
	if workdir == "" {
		return nil
	}
	real, err := filepath.EvalSymlinks(workdir)
	if err != nil {
		return err
	}
	if (below(workdir, path) || below(real, path)) && !below(real, resolved) {
		return &LeavesError{Path: path, To: resolved}
	}
	return nil
}

// below reports whether a path is that of a directory or of what is in it.
func below(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}
