package target

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/fault"
)

// pourFile writes the content of a staged file to a file that stays the same.
func (f File) pourFile(ctx context.Context, staged string) error {
	in, err := os.Open(staged)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	info, err := in.Stat()
	if err != nil {
		return err
	}
	return f.pour(ctx, in, info.Size())
}

// pour writes all of in, which has size bytes, to a file that stays the same
// file.
func (f File) pour(ctx context.Context, in io.Reader, size int64) error {
	return interruptible(ctx, func() (err error) {
		out, err := f.open()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, out.Close()) }()
		if f.kind != inPlace {
			return copyAll(ctx, out, in)
		}
		// What is there stays until there is room for the new content.
		if err := reserve(out, size); err != nil {
			return err
		}
		if err := copyAll(ctx, out, in); err != nil {
			return err
		}
		return out.Truncate(size)
	})
}

func (f File) open() (*os.File, error) {
	switch f.kind {
	case descriptor:
		// A duplicate shares the position in the file.
		fd, err := unix.FcntlInt(uintptr(f.fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: f.path, Err: err}
		}
		return os.NewFile(uintptr(fd), f.path), nil
	}
	// A named pipe opens when its reader is there.
	return os.OpenFile(f.path, os.O_WRONLY, 0)
}

// Copy copies in to out, until ctx ends.
func Copy(ctx context.Context, out io.Writer, in io.Reader) error {
	return interruptible(ctx, func() error { return copyAll(ctx, out, in) })
}

func copyAll(ctx context.Context, out io.Writer, in io.Reader) error {
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

// interruptible returns when work does or ctx ends. Work that is blocked in
// the kernel is left behind then, which happens only while the process is on
// its way out.
func interruptible(ctx context.Context, work func() error) error {
	done := make(chan error, 1)
	go fault.Protect(func() { done <- work() })()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-done:
		return err
	}
}

// inherit gives a file the mode and, as far as the agent may, the owner of
// the one it replaces.
func inherit(file string, old fs.FileInfo) error {
	if owner, ok := old.Sys().(*syscall.Stat_t); ok {
		if err := os.Lchown(file, int(owner.Uid), int(owner.Gid)); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return os.Chmod(file, old.Mode().Perm())
}
