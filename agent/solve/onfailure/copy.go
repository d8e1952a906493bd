package onfailure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/docker/go-units"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/junit"
)

// copies is how many files are read at a time: over a slow connection each of them takes
// a round trip.
const copies = 8

// Copied is what has come of a step.
type Copied struct {
	// Files counts the files, Bytes is their size.
	Files int
	Bytes int64
	// Tests is what the test reports among the files say. Files in it are relative to the
	// working directory of the step, with slashes; empty for those elsewhere.
	Tests junit.Report
	// LeftOut says, a line each, what matches and is not among them, and why; and which
	// test reports could not be read.
	LeftOut []string
}

// leftOut counts what is left out for a reason; the first is named.
type leftOut struct {
	count  int
	first  string
	reason string
}

// String is the reason in a line.
func (l leftOut) String() string {
	if l.count == 1 {
		return fmt.Sprintf("%s is left out: %s", l.first, l.reason)
	}
	return fmt.Sprintf("%d files are left out, first %s: %s", l.count, l.first, l.reason)
}

// reasons are why files are left out, in the order in which they came up.
type reasons struct {
	mu   sync.Mutex
	list []*leftOut
}

func (r *reasons) add(name, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.list {
		if l.reason == reason {
			l.count++
			return
		}
	}
	r.list = append(r.list, &leftOut{1, name, reason})
}

// lines are the reasons, of many the first.
func (r *reasons) lines() []string {
	const most = 5
	var all []string
	for i, l := range r.list {
		if i == most {
			return append(all, "and for other reasons")
		}
		all = append(all, l.String())
	}
	return all
}

// Copy copies the files of a step that match a spec into a part of a tree, below prefix.
// What is not a regular file, does not fit into the spec's limit or cannot be read is
// left out and said.
func Copy(ctx context.Context, step *Step, spec Spec, into *output.TreePart, prefix string) Copied {
	what := find(ctx, step, spec.Paths)
	var out reasons
	for _, e := range what.skipped {
		out.add(e.path, kind(e.mode()))
	}
	if what.failed != nil {
		out.add("what was not seen", fault.Cause(what.failed))
	}
	var group errgroup.Group
	group.SetLimit(copies)
	var done Copied
	var paths []string // of what is copied
	var mu sync.Mutex
	room := spec.Max
	for i, e := range what.files {
		size := e.stat.GetSize()
		switch {
		case i >= maxFiles:
			out.add(e.path, fmt.Sprintf("at most %d files are copied", maxFiles))
			continue
		case size < 0 || size > room:
			out.add(e.path, fmt.Sprintf("more than max=%s in all", strings.ReplaceAll(units.BytesSize(float64(spec.Max)), "iB", "")))
			continue
		}
		room -= size
		to := prefix + step.shortened(e.path)
		group.Go(fault.Guard(func() error {
			if err := step.copy(ctx, e, into, to); err != nil {
				if ctx.Err() != nil {
					err = context.Cause(ctx)
				}
				out.add(e.path, copyProblem(err))
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			done.Files, done.Bytes = done.Files+1, done.Bytes+size
			paths = append(paths, to)
			return nil
		}))
	}
	if err := group.Wait(); err != nil {
		out.add("a file", err.Error())
	}
	if len(what.files)+len(what.skipped) == 0 && what.failed == nil {
		done.LeftOut = []string{"nothing matches path=" + strings.Join(spec.Paths, ", path=") + " in " + step.Dir}
	}
	done.LeftOut = append(done.LeftOut, out.lines()...)
	tests, problems := readReports(into, paths)
	for i := range tests.Failures {
		tests.Failures[i].File = step.local(tests.Failures[i].File)
	}
	done.Tests = tests
	done.LeftOut = append(done.LeftOut, problems...)
	return done
}

// kind says what an entry is that is no file.
func kind(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "symbolic links are not followed"
	case mode&fs.ModeDevice != 0:
		return "it is a device"
	}
	return "it is not a regular file"
}

// copyProblem is why a file could not be copied.
func copyProblem(err error) string {
	if errors.Is(err, fs.ErrExist) {
		return "another file has its place already"
	}
	return fault.Cause(err)
}

// shortened is a path as it is below the destination: relative to the working directory
// where it is below it, else the whole path.
func (s *Step) shortened(name string) string {
	if rest, ok := under(s.Dir, name); ok {
		return rest
	}
	return strings.TrimPrefix(name, "/")
}

// errOtherSize is a file that has not the size that the list has said.
var errOtherSize = errors.New("the builder has sent less of it than its size")

// copy copies one file.
func (s *Step) copy(ctx context.Context, e entry, into *output.TreePart, to string) error {
	return into.Write(to, e.mode(), time.Unix(0, e.stat.GetModTime()), func(out io.Writer) error {
		for at := int64(0); at < e.stat.GetSize(); {
			want := min(readRange, e.stat.GetSize()-at)
			data, err := s.read(ctx, e.path, at, want)
			if err != nil {
				return err
			}
			if len(data) == 0 || int64(len(data)) > want {
				return errOtherSize
			}
			if _, err := out.Write(data); err != nil {
				return err
			}
			at += int64(len(data))
		}
		return nil
	})
}

// maxListed bounds the lines of a listing.
const maxListed = 200

// List describes the working directory of a step, a line for each entry.
func List(ctx context.Context, step *Step) ([]string, error) {
	entries, err := step.list(ctx, step.Dir)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", step.Dir, err)
	}
	var lines []string
	for i, e := range entries {
		if i == maxListed {
			return append(lines, fmt.Sprintf("and %d more", len(entries)-i)), nil
		}
		line := fmt.Sprintf("%s %10s %s %s", e.mode(), units.BytesSize(float64(e.stat.GetSize())), time.Unix(0, e.stat.GetModTime()).UTC().Format("2006-01-02 15:04"), strings.TrimPrefix(e.path, "/"))
		if e.stat.GetLinkname() != "" {
			line += " -> " + e.stat.GetLinkname()
		}
		lines = append(lines, line)
	}
	return lines, nil
}
