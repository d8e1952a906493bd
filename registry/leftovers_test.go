package registry

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLoginRemovesLeftovers has the files of logins that were killed while they
// wrote, beside the file that is written to, which a link in the directory leads to.
func TestLoginRemovesLeftovers(t *testing.T) {
	dir, real := t.TempDir(), t.TempDir()
	if err := os.Symlink(filepath.Join(real, "config.json"), filepath.Join(dir, "config.json")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(real, "config.json"), `{}`)
	hour := time.Now().Add(-time.Hour - time.Minute)
	for name, at := range map[string]time.Time{
		".tmp-config.json1": hour,
		".tmp-config.json2": time.Now(), // another program may be writing it
		".tmp-config.json3": hour,       // held, see below
		".tmp-other.json1":  hour,
		"config.json.bak":   hour,
	} {
		writeFile(t, filepath.Join(real, name), `{"auths":{"h.example":{"auth":"eDp5"}}}`)
		if err := os.Chtimes(filepath.Join(real, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	held, err := os.Open(filepath.Join(real, ".tmp-config.json3"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(real, ".tmp-config.json4")); err != nil {
		t.Fatal(err)
	}
	if _, err := StoreLogin(t.Context(), dir, Server{"h.example", "h.example"}, Credential{Username: "u", Password: "p"}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(real)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if want := []string{".tmp-config.json2", ".tmp-config.json3", ".tmp-config.json4", ".tmp-other.json1", "config.json", "config.json.bak"}; !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
}
