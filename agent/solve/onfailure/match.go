package onfailure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

const (
	// maxFiles bounds the files of one step.
	maxFiles = 10_000
	// maxEntries bounds what is looked at: entries of directories.
	maxEntries = 500_000
	// maxDirs bounds the directories that are listed, each of which is a request.
	maxDirs = 20_000
	// maxPath bounds the length of a path, in bytes: PATH_MAX of Linux.
	maxPath = 4096
)

// errTooMany ends a search that has no end in sight.
var errTooMany = fmt.Errorf("the search ends after %d directories, %d entries or a path of %d bytes: name the directory in path=", maxDirs, maxEntries, maxPath)

// found is what matches.
type found struct {
	files []entry // regular files, in the order of their paths
	// skipped are entries that match and are no files, such as links and devices.
	skipped []entry
	// failed is why a directory could not be listed, or the search had to end; nil
	// when all was seen.
	failed error
}

// search finds what matches patterns.
type search struct {
	step    *Step
	listed  map[string][]entry // by directory
	visited map[string]bool    // directory and rest of a pattern
	hits    map[string]entry
	whole   map[string]bool // directories that match as a whole
	entries int
	failed  error
}

// find returns what matches the patterns in the step. A directory that matches counts
// with all that is in it. Links are not followed.
func find(ctx context.Context, step *Step, patterns []string) found {
	s := &search{step: step, listed: map[string][]entry{}, visited: map[string]bool{}, hits: map[string]entry{}, whole: map[string]bool{}}
	for _, pattern := range patterns {
		if !path.IsAbs(pattern) {
			pattern = path.Join(step.Dir, pattern)
		}
		pattern = path.Clean(pattern)
		if pattern == "/" {
			s.all(ctx, "/")
			continue
		}
		s.walk(ctx, "/", strings.Split(pattern, "/")[1:])
	}
	var f found
	f.failed = s.failed
	for _, name := range slices.Sorted(maps.Keys(s.hits)) {
		if e := s.hits[name]; e.mode().IsRegular() {
			f.files = append(f.files, e)
		} else {
			f.skipped = append(f.skipped, e)
		}
	}
	return f
}

// walk follows a pattern from a directory on.
func (s *search) walk(ctx context.Context, dir string, pattern []string) {
	key := dir + "\x00" + strings.Join(pattern, "/")
	if s.visited[key] || s.ended(ctx) {
		return
	}
	s.visited[key] = true
	name, rest := pattern[0], pattern[1:]
	if name == "**" {
		if len(rest) == 0 {
			s.all(ctx, dir)
			return
		}
		s.walk(ctx, dir, rest)
	}
	for _, e := range s.list(ctx, dir) {
		switch ok, _ := path.Match(name, path.Base(e.path)); {
		case name == "**":
			if e.mode().IsDir() {
				s.walk(ctx, e.path, pattern)
			}
		case !ok:
		case len(rest) > 0 && e.mode().IsDir():
			s.walk(ctx, e.path, rest)
		case len(rest) > 0: // nothing is below it; a link is not followed
			if e.mode()&fs.ModeSymlink != 0 {
				s.hits[e.path] = e
			}
		case e.mode().IsDir():
			s.all(ctx, e.path)
		default:
			s.hits[e.path] = e
		}
	}
}

// all takes everything in a directory.
func (s *search) all(ctx context.Context, dir string) {
	if s.whole[dir] || s.ended(ctx) {
		return
	}
	s.whole[dir] = true
	for _, e := range s.list(ctx, dir) {
		if e.mode().IsDir() {
			s.all(ctx, e.path)
		} else {
			s.hits[e.path] = e
		}
	}
}

// list lists a directory once.
func (s *search) list(ctx context.Context, dir string) []entry {
	if known, ok := s.listed[dir]; ok || s.ended(ctx) {
		return known
	}
	if len(s.listed) >= maxDirs || s.entries >= maxEntries || len(dir) > maxPath {
		s.fail(errTooMany)
		return nil
	}
	entries, err := s.step.list(ctx, dir)
	if err != nil {
		s.fail(fmt.Errorf("list %s: %w", dir, err))
	}
	s.listed[dir] = entries
	s.entries += len(entries)
	return entries
}

// fail keeps the first failure.
func (s *search) fail(err error) {
	if s.failed == nil {
		s.failed = err
	}
}

// ended reports whether nothing more is to be asked for.
func (s *search) ended(ctx context.Context) bool {
	if ctx.Err() != nil {
		s.fail(context.Cause(ctx))
	}
	return ctx.Err() != nil || errors.Is(s.failed, errTooMany)
}
