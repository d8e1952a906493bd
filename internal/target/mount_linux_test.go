package target

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// mount mounts something for the time of a test. Only root can; as root, a
// mount that fails is a failure.
func mount(t *testing.T, source, path, kind string, flags uintptr, options string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	if err := unix.Mount(source, path, kind, flags, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// A file that is mounted cannot be replaced.
func TestWriteMount(t *testing.T) {
	dir := tree(t, map[string]string{"host": "old and longer", "mounted": ""})
	path := filepath.Join(dir, "mounted")
	mount(t, filepath.Join(dir, "host"), path, "", unix.MS_BIND, "")
	f, err := Open(dir, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Clear(); err != nil || content(t, path) != "" {
		t.Errorf("not cleared: %v", err)
	}
	if err := f.Write(t.Context(), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := content(t, filepath.Join(dir, "host")); got != "new" {
		t.Errorf("the mounted file has %q", got)
	}
	// Where the system does not tell, the rename does.
	f.kind = replaced
	staged := filepath.Join(dir, "staged")
	if err := os.WriteFile(staged, []byte("newer"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Place(t.Context(), staged); err != nil {
		t.Fatal(err)
	}
	if got := content(t, filepath.Join(dir, "host")); got != "newer" {
		t.Errorf("the mounted file has %q", got)
	}
	if err := unix.Mount("", path, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, path); err == nil {
		t.Error("a read-only mount was taken")
	}
}

// What is in a mounted file stays when there is no room for the new content.
func TestOverwriteWithoutRoom(t *testing.T) {
	dir := tree(t, map[string]string{"volume/": "", "mounted": "", "staged": strings.Repeat("x", 2<<20)})
	volume, path := filepath.Join(dir, "volume"), filepath.Join(dir, "mounted")
	mount(t, "tmpfs", volume, "tmpfs", 0, "size=1m")
	if err := os.WriteFile(filepath.Join(volume, "file"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	mount(t, filepath.Join(volume, "file"), path, "", unix.MS_BIND, "")
	f, err := Open(dir, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Place(t.Context(), filepath.Join(dir, "staged")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
	if got := content(t, path); got != "old" {
		t.Errorf("the mounted file has %d bytes", len(got))
	}
}
