// Package jobbuilders keeps what a job has done with builders under the name of docker:
// which it has made itself, other names of a builder, and which one it has selected.
// Pipelines of docker create a builder, use it and remove it; a builder that is shared
// must survive that.
package jobbuilders

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/target"
)

// State is the directory of what is kept, below the one of buildx: the job's own. It need
// not exist. One file is one name, so that jobs that share a home do not lose each
// other's.
type State struct {
	// Dir is absolute, or begins in the working directory of the process.
	Dir string
}

// The directories and the file in State.
const (
	aliasDir     = "names"
	madeDir      = "made"
	selectedFile = "selected"
)

// maxAge is how long another name is kept that nobody has removed. Actions make a new one
// for each run.
const maxAge = 30 * 24 * time.Hour

// maxName bounds a name in bytes: it is that of a file.
const maxName = 253

// maxFile bounds in bytes what is read of a file: more than a thousand nodes.
const maxFile = 256 << 10

// isName tells whether buildx takes a name for that of a builder or a node: a letter, then
// letters, digits and . _ -
// (https://github.com/docker/buildx/blob/v0.38.2/store/util.go).
func isName(name string) bool {
	for i, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789._-", rune(c))) {
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

// Resolve returns the builder that a name stands for: another name, or none for the
// selected one. What stands for nothing is returned as it is.
func (s State) Resolve(name string, defined func(string) bool) string {
	if name != "" && defined(name) {
		return name
	}
	other := s.first(selectedFile)
	if name != "" {
		other = s.Alias(name)
	}
	if other != "" && defined(other) {
		return other
	}
	return name
}

// Alias returns the builder that another name stands for, empty if it is none.
func (s State) Alias(name string) string {
	if !isName(name) {
		return ""
	}
	return s.first(aliasDir, strings.ToLower(name))
}

// SetAlias makes name another name of a builder.
func (s State) SetAlias(ctx context.Context, name, builder string, now time.Time) error {
	if !isName(name) {
		return fmt.Errorf("builder %q: a name begins with a letter and has letters, digits and . _ -", name)
	}
	s.dropOld(now)
	return s.write(ctx, []string{builder}, aliasDir, strings.ToLower(name))
}

// dropOld removes other names that are older than maxAge. What cannot be removed stays.
func (s State) dropOld(now time.Time) {
	dir := filepath.Join(s.Dir, aliasDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) > maxAge {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}

// Select makes a builder the one that is taken where none is named; empty for none.
func (s State) Select(ctx context.Context, builder string) error {
	if builder == "" {
		return remove(filepath.Join(s.Dir, selectedFile))
	}
	return s.write(ctx, []string{builder}, selectedFile)
}

// Made returns the nodes of a builder whose workloads were not there before the job has
// made the builder. made is false where the job has not made it.
func (s State) Made(builder string) (nodes []string, made bool) {
	if !isName(builder) {
		return nil, false
	}
	lines, err := s.read(madeDir, strings.ToLower(builder))
	return lines, err == nil
}

// SetMade records that the job has made a builder, and the nodes of it whose workloads
// were not there.
func (s State) SetMade(ctx context.Context, builder string, nodes []string) error {
	if !isName(builder) {
		return fmt.Errorf("builder %q has a name that buildx does not take", builder)
	}
	return s.write(ctx, nodes, madeDir, strings.ToLower(builder))
}

// Forget removes what is kept of a name.
func (s State) Forget(name string) error {
	if !isName(name) {
		return nil
	}
	all := []error{
		remove(filepath.Join(s.Dir, aliasDir, strings.ToLower(name))),
		remove(filepath.Join(s.Dir, madeDir, strings.ToLower(name))),
	}
	if strings.EqualFold(s.first(selectedFile), name) {
		all = append(all, remove(filepath.Join(s.Dir, selectedFile)))
	}
	return errors.Join(all...)
}

// first is the first name in a file, empty if there is none.
func (s State) first(path ...string) string {
	if lines, err := s.read(path...); err == nil && len(lines) > 0 {
		return lines[0]
	}
	return ""
}

// read reads the names in a file. What is no name is left out: another program may have
// written it.
func (s State) read(path ...string) ([]string, error) {
	// Without O_NONBLOCK a pipe in the place of the file would be waited for.
	file, err := os.OpenFile(filepath.Join(append([]string{s.Dir}, path...)...), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("is no regular file"))
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile))
	return names(string(data)), err
}

// names are the names in a text, one in a line.
func names(text string) []string {
	all := slices.Collect(strings.FieldsSeq(text))
	return slices.DeleteFunc(all, func(name string) bool { return !isName(name) })
}

func (s State) write(ctx context.Context, lines []string, path ...string) error {
	name := filepath.Join(append([]string{s.Dir}, path...)...)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	file, err := target.Open("", name)
	if err != nil {
		return err
	}
	text := ""
	for _, line := range lines {
		text += line + "\n"
	}
	return file.Write(ctx, []byte(text), 0o600)
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
