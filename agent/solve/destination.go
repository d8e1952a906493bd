package solve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// stdoutDest is the dest that means stdout.
const stdoutDest = "-"

// destination is where one file goes when a build has succeeded.
type destination interface {
	traits() traits
	// parent is the directory for the staging directory.
	parent() (string, error)
	// check fails when place would, as far as that can be known.
	check() error
	// place makes a staged file appear.
	place(ctx context.Context, file string) error
}

// openDestination checks the dest of an output that is a single file.
func openDestination(o Output, r Request) (destination, *UsageError) {
	if o.Dest == stdoutDest || o.Dest == "" || o.Dest == "/dev/stdout" {
		return openStdout(o, r)
	}
	info, err := os.Stat(o.Dest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, o.mistake(cause(err), "")
	case info.IsDir():
		return nil, o.mistake("is a directory", "give a file: dest="+filepath.Join(o.Dest, "FILE"))
	case !info.Mode().IsRegular():
		if err := unix.Access(o.Dest, unix.W_OK); err != nil {
			return nil, o.mistake("is not writable: "+err.Error(), "")
		}
		return pipeDest{path: o.Dest}, nil
	}
	existing, rest, err := resolveExisting(o.Dest)
	if err != nil {
		return nil, o.mistake(cause(err), "")
	}
	d := fileDest{path: filepath.Join(existing, rest)}
	d.mounted = findMountPoints()[d.path]
	if err := d.check(); err != nil {
		return nil, o.mistake(cause(err), "")
	}
	return d, nil
}

// fileDest is a regular file or a path where nothing is yet. The path is
// absolute and has no symbolic links in the part that exists, so that a link
// to a file stays one.
type fileDest struct {
	path string
	// mounted says that the path is a mount point, which cannot be renamed to.
	mounted bool
}

func (d fileDest) traits() traits {
	if d.mounted {
		return traits{place: d.path, turn: turnInPlace}
	}
	return traits{place: d.path, turn: turnFile}
}

// parent is on the file system of the destination, so that a rename suffices.
func (d fileDest) parent() (string, error) {
	if d.mounted {
		return os.TempDir(), nil
	}
	existing, _, err := resolveExisting(filepath.Dir(d.path))
	return existing, err
}

func (d fileDest) check() error {
	if d.mounted {
		return unix.Access(d.path, unix.W_OK)
	}
	dir, err := d.parent()
	if err != nil {
		return err
	}
	return writableDir(dir)
}

// writableDir fails when nothing can be created in a directory. The kernel's
// answer covers read-only file systems, too.
func writableDir(dir string) error {
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

func (d fileDest) place(ctx context.Context, file string) error {
	if d.mounted {
		return overwrite(ctx, file, d.path)
	}
	// The mode is the one docker buildx gives to directories it creates.
	if err := os.MkdirAll(filepath.Dir(d.path), 0o755); err != nil {
		return err
	}
	if old, err := os.Lstat(d.path); err == nil && old.Mode().IsRegular() {
		if err := inherit(file, old); err != nil {
			return err
		}
	}
	return replaceFile(ctx, file, d.path)
}

// inherit gives a file the mode and, as far as the agent may, the owner of
// the one it replaces.
func inherit(file string, old fs.FileInfo) error {
	if owner, ok := ownerOf(old); ok {
		if err := os.Lchown(file, owner.uid, owner.gid); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return os.Chmod(file, old.Mode().Perm())
}

// openStdout is for a result that goes to stdout.
func openStdout(o Output, r Request) (destination, *UsageError) {
	if r.Stdout == nil {
		return nil, o.mistake("there is no stdout", "give a file: dest=FILE")
	}
	if r.StdoutTerminal {
		return nil, o.mistake("stdout is a terminal, which cannot show an archive", "give a file, dest=FILE, or redirect stdout")
	}
	return stdout{r.Stdout}, nil
}

// stdout is a destination that is open already.
type stdout struct{ out io.Writer }

func (d stdout) traits() traits          { return traits{place: stdoutDest, turn: turnStream} }
func (d stdout) parent() (string, error) { return os.TempDir(), nil }
func (d stdout) check() error            { return nil }

func (d stdout) place(ctx context.Context, file string) error {
	return interruptible(ctx, func() error { return pourFile(ctx, d.out, file) })
}

// pipeDest is a file that is no regular one: a named pipe, a device.
type pipeDest struct{ path string }

func (d pipeDest) traits() traits          { return traits{place: d.path, turn: turnStream} }
func (d pipeDest) parent() (string, error) { return os.TempDir(), nil }
func (d pipeDest) check() error            { return unix.Access(d.path, unix.W_OK) }

func (d pipeDest) place(ctx context.Context, file string) error {
	return interruptible(ctx, func() (err error) {
		// A named pipe opens when its reader is there.
		f, err := os.OpenFile(d.path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		return pourFile(ctx, f, file)
	})
}

// interruptible returns when work does or ctx ends. Work that is blocked in
// the kernel is left behind then, which happens only while the process is on
// its way out.
func interruptible(ctx context.Context, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-done:
		return err
	}
}

// pourFile is pour for a file.
func pourFile(ctx context.Context, out io.Writer, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer closeQuietly(f)
	return pour(ctx, out, f)
}

// pour copies in to out, until ctx ends.
func pour(ctx context.Context, out io.Writer, in io.Reader) error {
	buf := make([]byte, 1<<20)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := in.Read(buf)
		if n > 0 {
			if _, err := out.Write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
