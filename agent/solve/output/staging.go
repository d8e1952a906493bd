package output

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// staging is the directory in which an output takes shape. It is created when
// it is first needed. Its zero value with parent set is ready.
type staging struct {
	parent func() (string, error)

	mu   sync.Mutex
	dirs []*target.Staging // the first is the usual one, others are on other mounts
	n    int
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

func (s *staging) path(dir *target.Staging) string {
	s.n++
	return filepath.Join(dir.Path(), strconv.Itoa(s.n))
}

func (s *staging) add(parent string) error {
	dir, err := target.Stage(parent)
	if err == nil {
		s.dirs = append(s.dirs, dir)
	}
	return err
}

// where is the directory for messages: where it would be, before it exists;
// empty when that is not known.
func (s *staging) where() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.dirs) > 0 {
		return s.dirs[0].Path()
	}
	parent, err := s.parent()
	if err != nil {
		return ""
	}
	return filepath.Join(parent, target.StagingPrefix)
}

// close removes the directories. What cannot be removed stays locked until the
// process ends, and the next build removes it.
func (s *staging) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kept []*target.Staging
	var errs []error
	for _, dir := range s.dirs {
		if err := dir.Remove(); err != nil {
			errs, kept = append(errs, err), append(kept, dir)
		}
	}
	s.dirs = kept
	return errors.Join(errs...)
}

// unwritable is the error for an output that the agent could not write; where
// is the file or directory that was written to.
func (o Output) unwritable(err error, where string) error {
	if known := (*fault.Usage)(nil); errors.As(err, &known) {
		return err
	}
	hint := fault.AgentHint(err)
	switch dir := stagingParent(where); {
	case !target.IsFull(err):
	case dir == filepath.Clean(target.TempPath()) && !strings.HasPrefix(o.Dest, dir+"/"):
		hint = "until all is built the result is kept in " + dir + ": make room on that disk of the agent, or " + target.TempHint
	default:
		hint = "until all is built the result is kept beside the output, in " + dir + ": make room on that disk of the agent or choose another dest"
	}
	return o.mistake(err.Error(), hint)
}

// stagingParent is the directory that holds the staging directory of a path.
func stagingParent(path string) string {
	for dir := path; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if strings.HasPrefix(filepath.Base(dir), target.StagingPrefix) {
			return filepath.Dir(dir)
		}
	}
	return filepath.Dir(path)
}

// mentionsFullDisk reports whether an error is, or quotes, a disk without room.
func mentionsFullDisk(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	return target.IsFull(err) || strings.Contains(text, syscall.ENOSPC.Error()) || strings.Contains(text, syscall.EDQUOT.Error())
}
