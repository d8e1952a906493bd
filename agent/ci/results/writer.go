package results

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// Places say where the results of a build go.
type Places struct {
	// System is the CI system by its name, as --ci has it; one that is not in the table
	// has no way of its own.
	System string
	// Dir is the directory for files, absolute; empty for none. One below WorkDir must
	// not leave it through a symbolic link.
	Dir, WorkDir string
	Variables    Variables

	// Mask takes secrets out of a text; nil leaves it as it is.
	Mask func(text string) string
	// Warn says what cannot be written, and why.
	Warn func(message string)
	// Command writes a line to the log as a command of the system; nil where it must not.
	Command func(line string)
	// Run runs a program that is found in PATH; nil is RunProgram. The error of one that
	// is not there is exec.ErrNotFound.
	Run func(ctx context.Context, program string, args []string, stdin string) error
}

// Variables are those of all systems that say where results go.
type Variables struct {
	GitHub    GitHub
	GitLab    GitLab
	Buildkite Buildkite
}

// teller gives results to a system in its own way.
type teller interface {
	// open checks, before the build, what can be written after it, and takes away what
	// an earlier build has left there.
	open(w *Writer)
	// tell writes the results. Its error is about values that later steps read and that
	// could be written before the build; all else is warned of.
	tell(ctx context.Context, w *Writer, r Results) error
}

// file is a small file with results.
type file struct {
	name string
	data []byte
}

// format is a form of results in a directory.
type format struct {
	// names are all files that it may write.
	names []string
	// write makes those that there are, and says what it has left out.
	write func(r Results, v Variables) (files []file, left []string, err error)
}

// common are the forms that every system has in a directory.
var common = []format{
	{[]string{"slipway.env"}, func(r Results, _ Variables) ([]file, []string, error) {
		data, left := dotenv(r)
		return []file{{"slipway.env", data}}, left, nil
	}},
	{[]string{"slipway.properties"}, func(r Results, _ Variables) ([]file, []string, error) {
		return []file{{"slipway.properties", properties(r)}}, nil, nil
	}},
	one("slipway.json", func(r Results, _ Variables) ([]byte, error) { return document(r) }),
}

// system is how a CI system gets results.
type system struct {
	name string
	// teller is its own way; nil for none.
	teller func(v Variables) teller
	// formats are what it has in a directory besides the common ones.
	formats []format
}

// systems are the CI systems with a way or a form of their own.
var systems = []system{
	{"github", func(v Variables) teller { return v.GitHub }, nil},
	{"gitea", func(v Variables) teller { return v.GitHub }, nil},
	{"forgejo", func(v Variables) teller { return v.GitHub }, nil},
	{"gitlab", nil, []format{
		one("gl-code-quality-report.json", func(r Results, _ Variables) ([]byte, error) { return codeQuality(r) }),
		one("gl-annotations.json", func(r Results, v Variables) ([]byte, error) { return annotations(r, v.GitLab) }),
	}},
	{"jenkins", nil, []format{
		one("warnings-ng.log", func(r Results, _ Variables) ([]byte, error) { return warningsNG(r) }),
	}},
	{"tekton", func(Variables) teller { return tekton{tektonDir} }, nil},
	{"argo", nil, []format{{argoNames, func(r Results, _ Variables) ([]file, []string, error) { return argoFiles(r), nil, nil }}}},
	{"azure", func(Variables) teller { return azure{} }, nil},
	{"buildkite", func(v Variables) teller { return v.Buildkite }, nil},
}

// one is a form of one file.
func one(name string, write func(Results, Variables) ([]byte, error)) format {
	return format{[]string{name}, func(r Results, v Variables) ([]file, []string, error) {
		data, err := write(r, v)
		return []file{{name, data}}, nil, err
	}}
}

// Writer writes the results of one build.
type Writer struct {
	places  Places
	teller  teller // nil for none
	formats []format
	// files are those that may be written, by their path.
	files map[string]target.File
	// usable are the variables of files that can be appended to.
	usable map[string]bool
}

// Open finds out what can be written, and removes what an earlier build has left. It
// fails when the directory, which somebody has asked for, cannot be written to; of what
// a system has by itself it warns.
func Open(places Places) (*Writer, error) {
	w := &Writer{places: places, files: map[string]target.File{}, usable: map[string]bool{}}
	at := slices.IndexFunc(systems, func(s system) bool { return s.name == places.System })
	var own system
	if at >= 0 {
		own = systems[at]
	}
	if places.Dir != "" {
		w.formats = append(slices.Clone(common), own.formats...)
		if err := w.openFiles(places.WorkDir, w.paths()); err != nil {
			return nil, err
		}
	}
	if own.teller != nil {
		w.teller = own.teller(places.Variables)
		w.teller.open(w)
	}
	return w, nil
}

// paths are those of all files that may be in the directory.
func (w *Writer) paths() (paths []string) {
	for _, f := range w.formats {
		for _, name := range f.names {
			paths = append(paths, filepath.Join(w.places.Dir, name))
		}
	}
	return paths
}

// Write writes the results. The error is about values that later steps read: that the
// build has succeeded and they would read nothing.
func (w *Writer) Write(ctx context.Context, r Results) error {
	r = r.clean(w.places.Mask)
	err := w.writeFormats(ctx, r)
	if w.teller == nil {
		return err
	}
	if toldErr := w.teller.tell(ctx, w, r); toldErr != nil && err != nil {
		w.warn(toldErr.Error())
	} else if toldErr != nil {
		return toldErr
	}
	return err
}

// writeFormats writes the files of the directory.
func (w *Writer) writeFormats(ctx context.Context, r Results) error {
	for _, f := range w.formats {
		files, left, err := f.write(r, w.places.Variables)
		w.left(w.places.Dir, left)
		if err == nil {
			err = w.writeFiles(ctx, w.places.Dir, files)
		}
		if err != nil {
			return err // the others would meet the same
		}
	}
	return nil
}

// openFiles finds out whether files could be written, and removes those that are there.
func (w *Writer) openFiles(workdir string, paths []string) error {
	opened := map[string]target.File{}
	for _, path := range paths {
		f, err := target.Open(workdir, path)
		if err != nil {
			return err
		}
		if f.Streams() {
			return &fs.PathError{Op: "open", Path: path, Err: errors.New("is no regular file")}
		}
		opened[path] = f
	}
	for path, f := range opened {
		if err := f.Clear(); err != nil {
			return fmt.Errorf("remove that of an earlier build: %w", err)
		}
		w.files[path] = f
	}
	return nil
}

// writeFiles writes files that openFiles has found to be writable; each appears whole.
func (w *Writer) writeFiles(ctx context.Context, dir string, files []file) error {
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		to, ok := w.files[path]
		if !ok {
			continue // it has been warned of
		}
		// A build that is cancelled has results, too.
		if err := to.Write(context.WithoutCancel(ctx), f.data, 0o644); err != nil {
			return fault.ExplainAgent(named(path, err))
		}
	}
	return nil
}

// named is an error that names the path of the file.
func named(path string, err error) error {
	if strings.Contains(err.Error(), path) {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// checkAppend finds out whether the file that a variable names can be appended to, and
// warns otherwise that something is not written.
func (w *Writer) checkAppend(variable, path, what string) {
	if path == "" { // a job in a container of its own has the variables of the job only in part
		return
	}
	if err := appendable(path); err != nil {
		w.warn(fmt.Sprintf("%s: %v: %s will not be written", variable, err, what))
		return
	}
	w.usable[variable] = true
}

// appendable reports why a file cannot be appended to. A link is none that a runner has
// made, and where it leads nobody has said.
func appendable(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return target.WritableDir(filepath.Dir(path))
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", path)
	}
	if err := unix.Access(path, unix.W_OK); err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return nil
}

// append appends to the file that a variable names: all of it or nothing.
func (w *Writer) append(variable, path string, data []byte) error {
	if len(data) == 0 || !w.usable[variable] {
		return nil
	}
	if err := appendTo(path, data); err != nil {
		return fault.ExplainAgent(fmt.Errorf("%s: %w", variable, err))
	}
	return nil
}

// appendTo appends lines to a file.
func appendTo(path string, data []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", path)
	}
	if info.Size() > 0 && !endsLine(path, info.Size()) {
		data = append([]byte("\n"), data...) // what is there may have no line end
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Truncate(info.Size())) // half of it would be read as something else
	}
	return nil
}

// endsLine reports whether a file is known to end with a line end.
func endsLine(path string, size int64) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // it was only read
	last := make([]byte, 1)
	_, err = f.ReadAt(last, size-1)
	return (err == nil || errors.Is(err, io.EOF)) && last[0] == '\n'
}

// appendSummary appends the summary to the file that a variable names, as far as there
// is room. It is for people, so that what goes wrong is warned of.
func (w *Writer) appendSummary(variable, path string, r Results) {
	if !w.usable[variable] {
		return
	}
	room := maxGitHub - 1
	if info, err := os.Stat(path); err == nil {
		room -= int(min(info.Size(), maxGitHub))
	}
	text, fits := fitSummary(r, room)
	if !fits {
		w.warn(fmt.Sprintf("%s: the job summary is not written: with what the file holds it would have more than the %d bytes that are read", variable, maxGitHub))
		return
	}
	if err := w.append(variable, path, []byte(text)); err != nil {
		w.warn(fmt.Sprintf("the job summary is not written: %v", err))
	}
}

// left warns of what was left out.
func (w *Writer) left(where string, what []string) {
	for _, one := range what {
		w.warn(where + ": not written: " + one)
	}
}

func (w *Writer) warn(message string) {
	if w.places.Warn != nil {
		w.places.Warn(message)
	}
}

// command writes a command of the system.
func (w *Writer) command(line string) {
	if w.places.Command != nil {
		w.places.Command(line)
	}
}
