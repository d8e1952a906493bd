// Package install copies the program to where another container runs it, as an
// init container does with a volume that it shares with the containers after it.
package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// Name is the file name of the program.
const Name = "slipway"

// mode is that of the program: everybody may run it, for the containers of a pod
// may have other users.
const mode fs.FileMode = 0o755

// Request is what is to be installed.
type Request struct {
	// Program is the file of the program.
	Program string
	// Dir is the directory, as an absolute path. It is made if it is not there.
	Dir string
	// Aliases are further names of the program in the directory.
	Aliases []string
	// Force replaces files with one of the names in Aliases that are not the
	// program.
	Force bool
}

// File is one installed file.
type File struct {
	Path string
	// LinkTo is what it is a symbolic link to, empty for a copy.
	LinkTo string
	// Changed is false for a file that was there already as it should be.
	Changed bool
}

// Run copies the program into the directory. A file appears whole or not at all,
// and one that is there with the same content stays. What Run refuses, it refuses
// before it changes anything. Errors have hints where the user can do something.
func Run(ctx context.Context, r Request) ([]File, error) {
	files, err := r.plan()
	if err != nil {
		return nil, err
	}
	if err := r.apply(ctx, files); err != nil {
		return nil, r.explain(err)
	}
	return files, nil
}

// plan looks at what is there.
func (r Request) plan() ([]File, error) {
	switch info, err := os.Stat(r.Dir); {
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, syscall.ENOTDIR), err == nil && !info.IsDir():
		return nil, &fault.Usage{Flag: "DIR", Value: r.Dir, Problem: "is a file, or below one", Hint: "name the directory in which " + Name + " is to be: it keeps its name"}
	case err != nil:
		return nil, fmt.Errorf("look at the directory %s: %s", r.Dir, fault.Cause(err))
	}
	program := File{Path: filepath.Join(r.Dir, Name)}
	if err := notDirectory(program.Path); err != nil {
		return nil, err
	}
	same, err := r.isProgram(program.Path)
	if err != nil {
		return nil, err
	}
	program.Changed = !same
	files := []File{program}
	for _, alias := range r.Aliases {
		file, err := r.planAlias(filepath.Join(r.Dir, alias))
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// planAlias looks at a further name. Something else that has it is refused: it may
// be the docker of an agent's image.
func (r Request) planAlias(path string) (File, error) {
	file := File{Path: path, LinkTo: Name, Changed: true}
	if err := notDirectory(path); err != nil {
		return file, err
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return file, nil
	}
	if err != nil {
		return file, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if to, err := os.Readlink(path); err == nil && to == Name {
			file.Changed = false
			return file, nil
		}
	} else if same, err := r.isProgram(path); err != nil || same {
		return File{Path: path}, err
	}
	if !r.Force {
		return file, &fault.Usage{Flag: "--as", Value: filepath.Base(path), Problem: path + " is there and is not this program", Hint: "choose another directory, or replace it with --force"}
	}
	return file, nil
}

// notDirectory fails for a directory, whose place no file can take.
func notDirectory(path string) error {
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		return &fault.Usage{Flag: "DIR", Value: filepath.Dir(path), Problem: filepath.Base(path) + " is a directory in it", Hint: "remove it, or choose another directory"}
	}
	return nil
}

// isProgram reports whether a regular file has the content and the mode of the
// installed program.
func (r Request) isProgram(path string) (bool, error) {
	there, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at %s: %s", path, fault.Cause(err))
	}
	own, err := os.Stat(r.Program)
	if err != nil {
		return false, fmt.Errorf("look at the running program: %w", err)
	}
	if !there.Mode().IsRegular() || there.Mode().Perm() != mode || there.Size() != own.Size() {
		return false, nil
	}
	if os.SameFile(there, own) {
		return true, nil
	}
	return sameContent(path, r.Program)
}

func sameContent(a, b string) (bool, error) {
	one, err := os.Open(a)
	if errors.Is(err, fs.ErrPermission) {
		return false, nil // it is replaced
	}
	if err != nil {
		return false, err
	}
	defer closeQuietly(one)
	two, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer closeQuietly(two)
	left, right := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(one, left)
		m, otherErr := io.ReadFull(two, right)
		if !bytes.Equal(left[:n], right[:m]) {
			return false, nil
		}
		for _, err := range []error{err, otherErr} {
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return false, err
			}
		}
		if err != nil || otherErr != nil {
			return true, nil
		}
	}
}

// apply makes the files that are to change.
func (r Request) apply(ctx context.Context, files []File) (err error) {
	changes := false
	for _, file := range files {
		changes = changes || file.Changed
	}
	if !changes { // also in a directory that is not writable
		return nil
	}
	if err := os.MkdirAll(r.Dir, mode); err != nil {
		return err
	}
	if err := target.WritableDir(r.Dir); err != nil {
		return err
	}
	staging, err := target.Stage(r.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, staging.Remove()) }()
	for i := range files {
		if !files[i].Changed {
			continue
		}
		staged := filepath.Join(staging.Path(), filepath.Base(files[i].Path))
		if err := r.stage(ctx, &files[i], staged); err != nil {
			return err
		}
	}
	for _, file := range files {
		if !file.Changed {
			continue
		}
		if err := os.Rename(filepath.Join(staging.Path(), filepath.Base(file.Path)), file.Path); err != nil {
			return err
		}
	}
	return sync(r.Dir)
}

// stage makes one file, a copy where the file system has no links.
func (r Request) stage(ctx context.Context, file *File, staged string) error {
	if file.LinkTo != "" {
		err := os.Symlink(file.LinkTo, staged)
		if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		file.LinkTo = ""
	}
	return r.copyProgram(ctx, staged)
}

func (r Request) copyProgram(ctx context.Context, to string) (err error) {
	in, err := os.Open(r.Program)
	if err != nil {
		return fmt.Errorf("read the running program: %w", err)
	}
	defer closeQuietly(in)
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := target.Copy(ctx, out, in); err != nil {
		return err
	}
	if err := out.Chmod(mode); err != nil { // whatever the umask
		return err
	}
	if err := out.Sync(); err != nil {
		return err
	}
	// access(2) tells of a mount with noexec, too.
	if err := unix.Access(to, unix.X_OK); err != nil {
		return &notExecutableError{err}
	}
	return nil
}

// notExecutableError is a directory whose files cannot be run.
type notExecutableError struct{ err error }

func (e *notExecutableError) Error() string {
	return "no program can be run from there: " + e.err.Error()
}
func (e *notExecutableError) Unwrap() error { return e.err }

// explain names the directory and says what to do.
func (r Request) explain(err error) error {
	what := &fault.Usage{Flag: "DIR", Value: r.Dir, Problem: fault.Cause(err)}
	notExecutable := (*notExecutableError)(nil)
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &notExecutable):
		what.Problem = notExecutable.Error()
		what.Hint = "it is mounted with noexec, or a security policy forbids it: choose a volume such as an emptyDir"
	case target.IsFull(err):
		what.Hint = "choose a volume with more room"
		if info, err := os.Stat(r.Program); err == nil {
			what.Hint = fmt.Sprintf("%s takes %d MB: choose a volume with more room", Name, info.Size()/1_000_000+1)
		}
	case errors.Is(err, syscall.EROFS):
		what.Hint = "it is read-only: mount the volume without readOnly in the container that installs"
	case errors.Is(err, fs.ErrPermission):
		what.Hint = fmt.Sprintf("user %d may not write there: give the pod an fsGroup, or choose a volume such as an emptyDir", os.Geteuid())
	}
	return what
}

// verifyTimeout bounds how long an installed program may take to tell its version.
const verifyTimeout = 30 * time.Second

// Verify runs an installed program and fails unless the command version prints the
// given line.
func Verify(ctx context.Context, path, want string) error {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "version")
	cmd.Env = []string{} // no variable of the agent changes what it does
	out, err := cmd.Output()
	switch failed := (*exec.ExitError)(nil); {
	case ctx.Err() != nil:
		return fmt.Errorf("%s does not tell its version: %w", path, context.Cause(ctx))
	case errors.As(err, &failed):
		return fmt.Errorf("%s does not tell its version: %w: %s", path, err, bytes.TrimSpace(failed.Stderr))
	case err != nil:
		return fmt.Errorf("%s cannot be run: %s", path, fault.Cause(err))
	}
	if got := strings.TrimSpace(string(out)); got != want {
		return fmt.Errorf("%s is %q, and this is %q: something else is installing there", path, got, want)
	}
	return nil
}

// sync brings a directory's entries to the disk. Where a file system cannot do
// that for directories, it is up to the kernel.
func sync(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer closeQuietly(f)
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// closeQuietly closes a file that was only read.
func closeQuietly(f *os.File) { _ = f.Close() }
