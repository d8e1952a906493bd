package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/target"
)

// copyTree copies a directory to a path where nothing is: modes, times, links
// and extended attributes as they are. It is for what cannot be renamed.
func copyTree(ctx context.Context, from, to string) error {
	c := treeCopy{from: from, to: to, links: map[uint64]string{}}
	if err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		return c.one(ctx, path, entry)
	}); err != nil {
		return err
	}
	// A directory's time changes with what is put into it.
	for i := len(c.dirs) - 1; i >= 0; i-- {
		if err := inheritTimes(c.dirs[i].path, c.dirs[i].info); err != nil {
			return err
		}
		if err := os.Chmod(c.dirs[i].path, c.dirs[i].info.Mode()); err != nil {
			return err
		}
	}
	return nil
}

type treeCopy struct {
	from, to string
	links    map[uint64]string // the copies of files with several names, by inode
	dirs     []copiedDir
}

type copiedDir struct {
	path string
	info fs.FileInfo
}

func (c *treeCopy) one(ctx context.Context, path string, entry fs.DirEntry) error {
	rel, err := filepath.Rel(c.from, path)
	if err != nil {
		return err
	}
	to := filepath.Join(c.to, rel)
	info, err := entry.Info()
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok && !info.IsDir() && stat.Nlink > 1 {
		if first, copied := c.links[stat.Ino]; copied {
			return os.Link(first, to)
		}
		c.links[stat.Ino] = to
	}
	switch {
	case info.IsDir():
		c.dirs = append(c.dirs, copiedDir{to, info})
		err = os.Mkdir(to, 0o700)
	case info.Mode().IsRegular():
		return copyFile(ctx, path, to, info)
	case info.Mode()&fs.ModeSymlink != 0:
		var link string
		if link, err = os.Readlink(path); err == nil {
			err = os.Symlink(link, to)
		}
	case ok:
		err = unix.Mknod(to, uint32(stat.Mode), int(stat.Rdev)) // its type differs between systems
	default:
		err = fmt.Errorf("%s is of a kind that cannot be copied: %s", path, info.Mode())
	}
	if err != nil {
		return err
	}
	copyXattrs(path, to)
	return inheritTimes(to, info)
}

// copyFile copies a regular file to a path where nothing is.
func copyFile(ctx context.Context, from, to string, info fs.FileInfo) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer closeQuietly(in)
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(copyData(ctx, out, in, info.Size()), out.Chmod(info.Mode()), out.Close()); err != nil {
		return err
	}
	copyXattrs(from, to)
	return inheritTimes(to, info)
}

// copyData copies size bytes to an empty file, in pieces between which ctx can
// end it. What is a hole stays one.
func copyData(ctx context.Context, out, in *os.File, size int64) error {
	const piece = 64 << 20
	for at := int64(0); at < size; {
		start, err := in.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // a hole up to the end
		}
		end := size
		if err != nil {
			start = at // a file system that does not tell
		} else if hole, err := in.Seek(start, unix.SEEK_HOLE); err == nil {
			end = min(size, hole)
		}
		for at = start; at < end; {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if _, err := in.Seek(at, io.SeekStart); err != nil {
				return err
			}
			if _, err := out.Seek(at, io.SeekStart); err != nil {
				return err
			}
			n, err := io.CopyN(out, in, min(end-at, piece))
			if errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			if err != nil {
				return err
			}
			at += n
		}
	}
	return out.Truncate(size)
}

// copyXattrs copies extended attributes as far as the file system and the
// rights of the agent go, as BuildKit does.
func copyXattrs(from, to string) {
	var list [64 << 10]byte
	n, err := unix.Llistxattr(from, list[:])
	if err != nil {
		return
	}
	value := make([]byte, 64<<10)
	for _, name := range splitNull(list[:n]) {
		if n, err := unix.Lgetxattr(from, name, value); err == nil {
			_ = unix.Lsetxattr(to, name, value[:n], 0)
		}
	}
}

// splitNull splits names that end with a null byte each.
func splitNull(list []byte) (names []string) {
	for start, i := 0, 0; i < len(list); i++ {
		if list[i] == 0 {
			names = append(names, string(list[start:i]))
			start = i + 1
		}
	}
	return names
}

// inheritTimes gives a file the modification time of another.
func inheritTimes(path string, info fs.FileInfo) error {
	return setTime(path, info.ModTime().UnixNano())
}

// setTime sets the time of a file, in ns; a symbolic link is not followed.
func setTime(path string, ns int64) error {
	stamp := unix.NsecToTimespec(ns)
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "utimensat", Path: path, Err: err}
	}
	return nil
}

// replaceFile makes a staged file appear at a path.
func replaceFile(ctx context.Context, from, to string) error {
	return acrossMounts(ctx, from, to, func(file string) error { return target.Replace(ctx, file, to) })
}

// acrossMounts has place put a staged file to a path. When that is on another
// file system, the file is copied beside the path first.
func acrossMounts(ctx context.Context, from, to string, place func(file string) error) error {
	err := place(from)
	if !errors.Is(err, unix.EXDEV) {
		return err
	}
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	dir, err := target.Stage(filepath.Dir(to))
	if err != nil {
		return err
	}
	beside := filepath.Join(dir.Path(), "file")
	err = copyFile(ctx, from, beside, info)
	if err == nil {
		err = place(beside)
	}
	return errors.Join(err, dir.Remove())
}
