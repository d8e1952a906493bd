package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestGrow(t *testing.T) {
	const files, total = 250, 1 << 20
	made := func(seed uint64) (map[string]string, int64) {
		dir := filepath.Join(t.TempDir(), "tree")
		if err := grow(dir, files, total, seed); err != nil {
			t.Fatal(err)
		}
		sums, size := map[string]string{}, int64(0)
		err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(filepath.Join(dir, path))
			sums[path] = fmt.Sprintf("%x", sha256.Sum256(content))
			size += int64(len(content))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return sums, size
	}
	first, size := made(1)
	if len(first) != files || size < total*9/10 || size > total*11/10 {
		t.Errorf("%d files of %d bytes, want %d of about %d", len(first), size, files, total)
	}
	again, _ := made(1)
	other, _ := made(2)
	for path, sum := range first {
		if again[path] != sum {
			t.Errorf("%s: another content with the same seed", path)
		}
		if other[path] == sum {
			t.Errorf("%s: the same content with another seed", path)
		}
	}
	// One file has all the bytes, so only its content can differ.
	if one, another := lone(t, 1), lone(t, 2); one == another || len(one) != len(another) {
		t.Errorf("lone files of two seeds: %q and %q", one, another)
	}
	if err := grow(t.TempDir(), 1, 1, 1); err == nil {
		t.Error("grew over a directory that was there")
	}
}

// lone returns the content of a tree of one file.
func lone(t *testing.T, seed uint64) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tree")
	if err := grow(dir, 1, 64, seed); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, "d0000", "f000000"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
