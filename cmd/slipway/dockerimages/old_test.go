package dockerimages

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestOldJobs tests that only directories of other jobs are removed: the directory may be
// one in which others keep theirs.
func TestOldJobs(t *testing.T) {
	parent, old := filepath.Join(t.TempDir(), "images"), time.Now().Add(-2*jobAge)
	if err := os.Mkdir(parent, 0o700); err != nil {
		t.Fatal(err)
	}
	const gone, other, empty = "job-0123456789abcdef", "of-twenty-characters", "job-aaaaaaaaaaaaaaaa"
	for _, name := range []string{gone, other, empty, "job-0123456789abcdeg", "job-1123456789abcdef"} {
		dir := filepath.Join(parent, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if name != empty {
			if err := os.WriteFile(filepath.Join(dir, lockFile), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if name != "job-1123456789abcdef" { // another job that runs
			if err := os.Chtimes(dir, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := Open([]string{parent}, "this"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if len(left) != 5 || slices.Contains(left, gone) || !slices.Contains(left, other) || !slices.Contains(left, empty) {
		t.Errorf("%q are left", left)
	}
}
