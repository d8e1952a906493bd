package solve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/target"
)

// stagingPrefix starts the name of the directories that hold files until all
// solves have succeeded. They lie beside or in the destination, so that files
// can be renamed into place, and are never sent as part of a context.
const stagingPrefix = target.StagingPrefix

// stagingLock is the file in a staging directory that is locked as long as a
// process uses it. The kernel releases the lock of a process that was killed.
const stagingLock = "lock"

// staging is the directory in which an output takes shape. It is created when
// it is first needed. Its zero value with parent set is ready.
type staging struct {
	parent func() (string, error)

	mu   sync.Mutex
	dirs []stagingDir // the first is the usual one, others are on other mounts
	n    int
}

// stagingDir is one directory on disk.
type stagingDir struct {
	path string
	lock *os.File
	// spare is closed before the directory is removed, which takes a descriptor
	// when the process may have no other left.
	spare *os.File
}

// next returns an unused path in the directory.
func (s *staging) next() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.dirs) == 0 {
		parent, err := s.parent()
		if err != nil {
			return "", err
		}
		if err := s.add(parent); err != nil {
			return "", err
		}
	}
	return s.path(s.dirs[0]), nil
}

// on returns an unused path in a staging directory below a directory that is on
// another mount.
func (s *staging) on(mount string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.add(mount); err != nil {
		return "", err
	}
	return s.path(s.dirs[len(s.dirs)-1]), nil
}

func (s *staging) path(dir stagingDir) string {
	s.n++
	return filepath.Join(dir.path, strconv.Itoa(s.n))
}

func (s *staging) add(parent string) error {
	dir, err := makeStaging(parent)
	if err == nil {
		s.dirs = append(s.dirs, dir)
	}
	return err
}

// makeStaging makes a staging directory. Those of builds that were killed are
// removed first: they lie in the same directory or, when the destination has
// been created since, beside it.
func makeStaging(parent string) (stagingDir, error) {
	removeLeftovers(parent)
	removeLeftovers(filepath.Dir(parent))
	for {
		dir, err := os.MkdirTemp(parent, stagingPrefix)
		if err != nil {
			return stagingDir{}, err
		}
		lock, err := lockStaging(dir)
		if err == nil {
			var spare *os.File
			if spare, err = os.Open(dir); err == nil {
				return stagingDir{dir, lock, spare}, nil
			}
			closeQuietly(lock)
		}
		if !errors.Is(err, errTaken) {
			// By their names, which takes no descriptor: there may be none left.
			removeQuietly(filepath.Join(dir, stagingLock))
			return stagingDir{}, errors.Join(err, os.Remove(dir))
		}
	}
}

// remove removes the directory and ends the lock.
func (d stagingDir) remove() error {
	closeQuietly(d.spare)
	if err := removeStaging(d.path); err != nil {
		return fmt.Errorf("remove staging directory: %w", err)
	}
	closeQuietly(d.lock)
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
		if err := removeTree(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return removeTree(dir)
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
		if !entry.IsDir() || !strings.HasPrefix(entry.Name(), stagingPrefix) {
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
	by, ok := ownerOf(info)
	return ok && by.uid == os.Geteuid()
}

// leftOver takes the lock of a staging directory and reports whether it was
// left behind by a process of the same user.
func leftOver(lock *os.File) bool {
	info, err := lock.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	if by, ok := ownerOf(info); !ok || by.uid != os.Geteuid() {
		return false
	}
	return unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}

// where is the directory for messages: where it would be, before it exists;
// empty when that is not known.
func (s *staging) where() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.dirs) > 0 {
		return s.dirs[0].path
	}
	parent, err := s.parent()
	if err != nil {
		return ""
	}
	return filepath.Join(parent, stagingPrefix)
}

// close removes the directories. What cannot be removed stays locked until the
// process ends, and the next build removes it.
func (s *staging) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kept []stagingDir
	var errs []error
	for _, dir := range s.dirs {
		if err := dir.remove(); err != nil {
			errs, kept = append(errs, err), append(kept, dir)
		}
	}
	s.dirs = kept
	return errors.Join(errs...)
}

// full reports whether the error is a disk without room, or a quota.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// unwritable is the error for an output that the agent could not write; where
// is the file or directory that was written to.
func (o Output) unwritable(err error, where string) error {
	if known := (*UsageError)(nil); errors.As(err, &known) {
		return err
	}
	hint := faultHint(err)
	switch dir := besideStaging(where); {
	case !full(err):
	case dir == filepath.Clean(os.TempDir()) && !strings.HasPrefix(o.Dest, dir+"/"):
		hint = "until all is built the result is kept in " + dir + ": make room on that disk of the agent, or " + tempHint
	default:
		hint = "until all is built the result is kept beside the output, in " + dir + ": make room on that disk of the agent or choose another dest"
	}
	return o.mistake(err.Error(), hint)
}

// besideStaging is the directory that holds the staging directory of a path.
func besideStaging(path string) string {
	for dir := path; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if strings.HasPrefix(filepath.Base(dir), stagingPrefix) {
			return filepath.Dir(dir)
		}
	}
	return filepath.Dir(path)
}

// saysFull reports whether an error is, or quotes, a disk without room.
func saysFull(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	return full(err) || strings.Contains(text, syscall.ENOSPC.Error()) || strings.Contains(text, syscall.EDQUOT.Error())
}

// builderFull is a solve that failed for lack of room on the builder.
type builderFull struct{ err error }

func (e *builderFull) Error() string { return e.err.Error() }
func (e *builderFull) Unwrap() error { return e.err }

// Hints says what to do about the error.
func (e *builderFull) Hints() []string {
	return []string{"the agent has room, it is the disk of the builder that is full: give the builder a larger one, or limit its build cache (gc in buildkitd.toml)"}
}
