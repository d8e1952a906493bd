// Package filetest makes files for tests and compares what became of them.
package filetest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/target"
)

// Map makes a map of pairs: key, value, key, value.
func Map(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// Must runs steps that prepare a test.
func Must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// Write creates files below dir; a value "->x" is a symbolic link, a name
// that ends in / a directory.
func Write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path, 0o755)
		} else if target, ok := strings.CutPrefix(content, "->"); ok {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Tree is what a directory holds, in the form of Write.
func Tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			if entries, err := os.ReadDir(path); err != nil || len(entries) > 0 {
				return err
			}
			files[rel+"/"] = ""
		case entry.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			files[rel] = "->" + target
		default:
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files[rel] = string(data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// WantTree fails unless a directory holds these files, in the form of Write.
func WantTree(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, Tree(t, dir)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", dir, diff)
	}
}

// Read returns the content of a file.
func Read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	Must(t, err)
	return string(data)
}

// Snapshot is a tree as text: mode, link target or content, identity of hard
// links, one line per entry. Directories have no size, and times are not in it.
func Snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	inodes := map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %x", sha256.Sum256(data))
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				if first, linked := inodes[stat.Ino]; linked {
					line += " = " + first
				} else {
					inodes[stat.Ino] = rel
				}
			}
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " -> " + target
		}
		out[rel] = line
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Mixed writes a tree with one of everything and times of its own.
func Mixed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	Write(t, dir, Map("a", "alpha", "empty", "", "sub/b", "beta", "sub/deep/c", "gamma"))
	Must(t,
		os.Symlink("sub/b", filepath.Join(dir, "link")),
		os.Link(filepath.Join(dir, "sub/b"), filepath.Join(dir, "sub/hard")),
		os.Chmod(filepath.Join(dir, "sub/deep/c"), 0o755),
		unix.Mkfifo(filepath.Join(dir, "pipe"), 0o644),
	)
	sparse, err := os.Create(filepath.Join(dir, "sparse"))
	Must(t, err)
	Must(t, sparse.Truncate(1<<20), sparse.Close())
	Age(t, dir)
	return dir
}

// Age gives all files new times, as another clone has them.
func Age(t *testing.T, dir string) {
	t.Helper()
	Must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		stamp := unix.NsecToTimespec(time.Now().Add(-time.Duration(rand.Int63n(int64(time.Hour)))).UnixNano())
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW)
	}))
}

// Many writes files of a size each, 500 to a directory.
func Many(t testing.TB, dir string, count, size int) {
	t.Helper()
	data := make([]byte, size)
	for i := range count {
		sub := filepath.Join(dir, fmt.Sprint(i/500))
		if i%500 == 0 {
			Must(t, os.Mkdir(sub, 0o755))
		}
		copy(data, fmt.Sprint(i))
		Must(t, os.WriteFile(filepath.Join(sub, fmt.Sprint(i)), data, 0o644))
	}
}

// Tarball is a tar with one file.
func Tarball(t *testing.T) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Name: "Dockerfile", Mode: 0o644, Size: 12}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("FROM scratch")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// Staging are the staging directories in a directory.
func Staging(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, target.StagingPrefix+"*"))
	Must(t, err)
	return found
}

// WantClean fails when dir holds a staging directory.
func WantClean(t *testing.T, dir string) {
	t.Helper()
	for path := range Tree(t, dir) {
		if strings.Contains(path, target.StagingPrefix) {
			t.Errorf("%s is left in %s", path, dir)
		}
	}
}
