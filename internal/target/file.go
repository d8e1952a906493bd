package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// StagingPrefix starts the name of the directories in which results are made.
// They lie beside the results and come and go, so a build context leaves them out.
const StagingPrefix = ".slipway-staging-"

// File is where one result goes.
type File struct {
	// path is absolute; for a regular file, or where nothing is yet, it has no
	// symbolic links in the part that exists, so that a link to a file stays one.
	path string
	kind kind
	fd   int // of a descriptor
}

type kind int

const (
	// replaced is a regular file, or nothing yet: a new file takes its place at
	// once.
	replaced kind = iota
	// inPlace is a file that no other can take the place of, because it is a
	// mount or its directory is not writable.
	inPlace
	// stream is a named pipe or a device.
	stream
	// descriptor is a file that is open already: /dev/stdout, /dev/fd/3.
	descriptor
)

// Open finds out what path is and fails when a result could not be written
// there. It leaves no trace. A path below workdir must not leave it through a
// link, see Resolve.
func Open(workdir, path string) (File, error) {
	path, err := Absolute(workdir, path)
	if err != nil {
		return File{}, err
	}
	end, err := follow(path)
	if err != nil {
		return File{}, err
	}
	if fd, ok := descriptorOf(end); ok {
		if err := stays(workdir, path, end); err != nil {
			return File{}, err
		}
		return File{path: path, kind: descriptor, fd: fd}, writableDescriptor(path, fd)
	}
	existing, rest, err := Resolve("", end)
	if err != nil {
		return File{}, err
	}
	f := File{path: filepath.Join(existing, rest)}
	if err := stays(workdir, path, f.path); err != nil {
		return File{}, err
	}
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return File{}, err
	case info.IsDir():
		return File{}, &fs.PathError{Op: "open", Path: f.path, Err: syscall.EISDIR}
	case info.Mode()&fs.ModeSocket != 0:
		return File{}, &fs.PathError{Op: "open", Path: f.path, Err: errors.New("is a socket")}
	case !info.Mode().IsRegular():
		f.kind = stream
	case FindMountPoints()[f.path] || WritableDir(filepath.Dir(f.path)) != nil:
		f.kind = inPlace
	}
	return f, f.Check()
}

// follow returns what a chain of symbolic links ends at, which need not exist,
// or the first descriptor on the way.
func follow(path string) (string, error) {
	for range maxLinks {
		if _, ok := descriptorOf(path); ok {
			return path, nil
		}
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			return path, nil
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(to) {
			// What .. means depends on where the link really is.
			dir, err := filepath.EvalSymlinks(filepath.Dir(path))
			if err != nil {
				return "", err
			}
			to = filepath.Join(dir, to)
		}
		path = filepath.Clean(to)
	}
	return "", &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
}

var descriptorPath = regexp.MustCompile(`^/(?:dev/fd|proc/self/fd)/([0-9]{1,9})$`)

// descriptorOf returns the descriptor that a path names. Opened by its name, a
// file would be written from its beginning, and by renaming it would be replaced
// under those who have it open.
func descriptorOf(path string) (int, bool) {
	switch path {
	case "/dev/stdout":
		return 1, true
	case "/dev/stderr":
		return 2, true
	}
	match := descriptorPath.FindStringSubmatch(path)
	if match == nil {
		return 0, false
	}
	fd, err := strconv.Atoi(match[1])
	return fd, err == nil
}

func writableDescriptor(path string, fd int) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil && flags&unix.O_ACCMODE == unix.O_RDONLY {
		err = errors.New("is open for reading only")
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return nil
}

// WritableDir fails when nothing can be created in a directory. The kernel's
// answer covers read-only file systems, too.
func WritableDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("directory %s is not writable: %w", dir, err)
	}
	return nil
}

// Path tells files apart: two with the same path are the same place.
func (f File) Path() string { return f.path }

// Streams reports whether what is written cannot be taken back: the file is a
// pipe, a device or an open descriptor.
func (f File) Streams() bool { return f.kind == stream || f.kind == descriptor }

// Stays reports whether the file is written as it is, rather than replaced: what
// Place is to put there can be made anywhere.
func (f File) Stays() bool { return f.kind != replaced }

// Staging is the directory in which a file is to be made that Place then puts
// to where it belongs.
func (f File) Staging() (string, error) {
	if f.kind != replaced {
		return TempPath(), nil
	}
	existing, _, err := Resolve("", filepath.Dir(f.path))
	return existing, err
}

// Check fails when Place would, as far as that can be known.
func (f File) Check() error {
	switch f.kind {
	case descriptor:
		return writableDescriptor(f.path, f.fd)
	case stream, inPlace:
		if err := unix.Access(f.path, unix.W_OK); err != nil {
			return &fs.PathError{Op: "open", Path: f.path, Err: fmt.Errorf("is not writable: %w", err)}
		}
		return nil
	}
	dir, err := f.Staging()
	if err != nil {
		return err
	}
	return WritableDir(dir)
}

// Clear removes what an earlier command has left. A stream has nothing.
func (f File) Clear() error {
	switch f.kind {
	case replaced:
		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	case inPlace:
		return os.Truncate(f.path, 0)
	case stream, descriptor:
	}
	return nil
}

// Place puts a file from the staging directory to where it belongs. A regular
// file appears whole or not at all; one that is staged on another file system
// cannot, and the error is syscall.EXDEV.
func (f File) Place(ctx context.Context, staged string) error {
	if f.kind == replaced {
		// The mode is the one docker buildx gives to directories it creates.
		if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
			return err
		}
		if old, err := os.Lstat(f.path); err == nil && old.Mode().IsRegular() {
			if err := inherit(staged, old); err != nil {
				return err
			}
		}
		return Replace(ctx, staged, f.path)
	}
	return f.pourFile(ctx, staged)
}

// Replace makes a staged file take the place of the one at a path, by a rename.
// Where something has been mounted at the path meanwhile, or the system does not
// tell mounts, the content is written into what is there.
func Replace(ctx context.Context, staged, path string) error {
	err := os.Rename(staged, path)
	if errors.Is(err, syscall.EBUSY) {
		return Overwrite(ctx, staged, path)
	}
	return err
}

// Overwrite writes the content of one file into another that exists. Room for
// it is taken first, so that a full disk leaves the file as it is.
func Overwrite(ctx context.Context, staged, path string) error {
	return File{path: path, kind: inPlace}.pourFile(ctx, staged)
}

// Write writes a result that is small. The mode is that of a file that was not
// there.
func (f File) Write(ctx context.Context, data []byte, mode fs.FileMode) (err error) {
	dir, err := f.Staging()
	if err != nil {
		return err
	}
	if f.kind != replaced {
		return f.pour(ctx, bytes.NewReader(data), int64(len(data)))
	}
	staged, err := Stage(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, staged.Remove()) }()
	name := filepath.Join(staged.Path(), "result")
	if err := os.WriteFile(name, data, mode); err != nil {
		return err
	}
	return f.Place(ctx, name)
}
