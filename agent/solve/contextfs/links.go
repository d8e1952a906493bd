package contextfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/slipway-build/slipway/internal/fault"
)

// IgnoreFile is the file that says what of a directory is not sent. A Dockerfile
// may have one of its own, whose name is that of the Dockerfile with this suffix.
const IgnoreFile = ".dockerignore"

// CheckIgnoreFile finds out whether the builder would read an ignore file of a
// directory: it must be a regular file, and a link must stay in the directory.
// One that is not there is none.
func CheckIgnoreFile(dir, name string) *fault.Usage {
	// Whoever opens a named pipe waits, the builder included.
	if info, err := os.Stat(filepath.Join(dir, name)); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return &fault.Usage{Flag: "directory", Value: dir, Problem: name + " is not a regular file", Hint: "put a file in its place, or remove it"}
	}
	if problem, _ := LostLink(dir, name); problem != "" {
		return &fault.Usage{
			Flag: "directory", Value: dir, Problem: name + " " + problem + ", so nothing would be excluded",
			Hint: "put the file itself in the place of the link",
		}
	}
	return nil
}

// LostLink says why the daemon would not find the file behind a link in a
// directory that it may read; empty for a file, for nothing, and for a link
// that stays within. target is the file that the link means on the agent, if
// there is one.
func LostLink(dir, name string) (problem, target string) {
	path := filepath.Join(dir, name)
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return "", ""
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", "" // found and reported when the directory was opened
	}
	defer closeQuietly(root)
	// Like BuildKit, a Root takes neither a link out of the directory nor an
	// absolute one.
	if _, err = root.Stat(name); err == nil {
		return "", ""
	}
	link, readErr := os.Readlink(path)
	target, targetErr := filepath.EvalSymlinks(path)
	switch {
	case readErr != nil:
		return "is a symbolic link that cannot be read: " + fault.Cause(readErr), ""
	case errors.Is(targetErr, fs.ErrNotExist):
		return fmt.Sprintf("is a symbolic link to %s, which does not exist", link), ""
	case targetErr != nil:
		return fmt.Sprintf("is a symbolic link to %s: %s", link, fault.Cause(err)), ""
	}
	return fmt.Sprintf("is a symbolic link to %s, and BuildKit follows only relative links that stay in the directory", link), target
}
