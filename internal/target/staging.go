package target

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// stagingLock is the file in a staging directory that is locked as long as a
// process uses it. The kernel releases the lock of a process that was killed.
const stagingLock = "lock"

// Staging is a directory in which results are made, until Remove.
type Staging struct {
	path string
	lock *os.File
	// spare is closed before the directory is removed, which takes a descriptor
	// when the process may have no other left.
	spare *os.File
}

// Path is where the directory is.
func (s *Staging) Path() string { return s.path }

// Stage makes a staging directory. Those of builds that were killed are
// removed first: they lie in the same directory or, when the destination has
// been created since, beside it.
func Stage(parent string) (*Staging, error) {
	removeLeftovers(parent)
	removeLeftovers(filepath.Dir(parent))
	for {
		dir, err := os.MkdirTemp(parent, StagingPrefix)
		if err != nil {
			return nil, err
		}
		lock, err := lockStaging(dir)
		if err == nil {
			var spare *os.File
			if spare, err = os.Open(dir); err == nil {
				return &Staging{dir, lock, spare}, nil
			}
			closeQuietly(lock)
		}
		if !errors.Is(err, errTaken) {
			// By their names, which takes no descriptor: there may be none left.
			_ = os.Remove(filepath.Join(dir, stagingLock)) // it may not be there
			return nil, errors.Join(err, os.Remove(dir))
		}
	}
}

// Remove removes the directory and ends the lock.
func (s *Staging) Remove() error {
	closeQuietly(s.spare)
	if err := removeStaging(s.path); err != nil {
		return fmt.Errorf("remove staging directory: %w", err)
	}
	closeQuietly(s.lock)
	return nil
}

// removeStaging removes a staging directory, the lock last: what is left when
// the process is killed meanwhile can still be told from what is in use.
func removeStaging(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() == stagingLock {
			continue
		}
		if err := RemoveTree(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return RemoveTree(dir)
}

// errTaken is a staging directory that another build takes for left over: it
// had no lock yet.
var errTaken = errors.New("another build is removing it")

// lockStaging locks a new staging directory. Where the file system has no
// locks, nobody can tell that it is left over and it stays unlocked.
func lockStaging(dir string) (*os.File, error) {
	path := filepath.Join(dir, stagingLock)
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errTaken
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) || !isNamed(path, lock) {
		closeQuietly(lock)
		return nil, errTaken
	}
	return lock, nil
}

// isNamed reports whether a path is that of an open file.
func isNamed(path string, f *os.File) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(mine, there)
}

// removeLeftovers removes the staging directories in a directory that no
// process holds and that belong to the user. What cannot be removed stays: it
// is no fault of this build.
func removeLeftovers(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if !entry.IsDir() || !strings.HasPrefix(entry.Name(), StagingPrefix) {
			continue
		}
		dir := filepath.Join(parent, entry.Name())
		lock, err := os.OpenFile(filepath.Join(dir, stagingLock), os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if errors.Is(err, fs.ErrNotExist) && isOwn(entry) {
			// Nothing but an empty directory is without a lock: its build was killed
			// right before or after. One that makes it just now makes another.
			_ = os.Remove(dir)
		}
		if err != nil {
			continue // not one of ours
		}
		if leftOver(lock) {
			_ = removeStaging(dir)
		}
		closeQuietly(lock)
	}
}

// isOwn reports whether a directory belongs to the user.
func isOwn(entry fs.DirEntry) bool {
	info, err := entry.Info()
	if err != nil {
		return false
	}
	by, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(by.Uid) == os.Geteuid()
}

// leftOver takes the lock of a staging directory and reports whether it was
// left behind by a process of the same user.
func leftOver(lock *os.File) bool {
	info, err := lock.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	if by, ok := info.Sys().(*syscall.Stat_t); !ok || int(by.Uid) != os.Geteuid() {
		return false
	}
	return unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}

// RemoveTree removes path and everything below it, read-only directories
// included; a path that does not exist is fine.
func RemoveTree(path string) error {
	err := os.RemoveAll(path)
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return removeSlowly(path)
	}
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	walkErr := filepath.WalkDir(path, func(p string, entry fs.DirEntry, err error) error {
		if entry == nil || !entry.IsDir() {
			return nil
		}
		// WalkDir calls this before it reads the directory, and again with an
		// error when it could not be read; the removal below tells.
		return os.Chmod(p, 0o700)
	})
	if walkErr != nil {
		return errors.Join(err, walkErr)
	}
	return os.RemoveAll(path)
}

// removeSlowly is RemoveTree with one open directory at a time: os.RemoveAll
// keeps one open for each level of a tree.
func removeSlowly(path string) error {
	var dirs []string
	err := filepath.WalkDir(path, func(p string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case !entry.IsDir():
			return os.Remove(p)
		}
		dirs = append(dirs, p)
		return os.Chmod(p, 0o700)
	})
	for _, dir := range slices.Backward(dirs) {
		if err == nil {
			err = os.Remove(dir)
		}
	}
	return err
}

// closeQuietly closes a file that was only read, or of which only the lock counts.
func closeQuietly(f *os.File) { _ = f.Close() }
