package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-build/slipway/internal/fault"
)

// TestCacheStore writes a blob that becomes complete, and one for which there
// is no room.
func TestCacheStore(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenStore(dir)
	must(t, err)
	whole := []byte("whole")
	w, err := s.Writer(t.Context(), content.WithRef("whole"))
	must(t, err)
	_, err = w.Write(whole)
	must(t, err)
	must(t, w.Commit(t.Context(), 0, ""))
	must(t, s.End(t.Context()))

	w, err = s.Writer(t.Context(), content.WithRef("half"))
	must(t, err)
	_, err = w.Write([]byte("half"))
	must(t, err)
	must(t, w.Close())
	must(t, s.note(nil))
	_ = s.note(&fs.PathError{Op: "write", Path: "p", Err: syscall.ENOSPC})
	_ = s.note(errors.New("a later one"))
	err = s.End(t.Context())
	var usage *fault.Usage
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), "no space left") || usage.Flag != "--cache-to" || usage.Hint == "" {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "ingest")); err != nil || len(left) != 0 {
		t.Errorf("%v are left, %v", left, err)
	}
	if _, err := s.Info(t.Context(), digest.FromBytes(whole)); err != nil {
		t.Error(err)
	}
	if _, err := OpenStore(filepath.Join(dir, "ingest", "..", "file", "x")); err != nil {
		t.Fatal(err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "plain"), nil, 0o600))
	if _, err := OpenStore(filepath.Join(dir, "plain")); !errors.As(err, &usage) {
		t.Errorf("a cache in a file: %v", err)
	}
}
