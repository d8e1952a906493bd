package image

import (
	"archive/tar"
	"errors"
	"io"
	"testing"
)

// TestAProgramHasItsCapability holds the bytes that the kernel reads (struct
// vfs_cap_data): the flags, and twice a permitted and an inheritable word.
func TestAProgramHasItsCapability(t *testing.T) {
	tree := &Tree{}
	tree.File("usr/bin/newuidmap", 0o755, []byte("program"))
	tree.Capability("usr/bin/newuidmap", capSetuid)
	tree.Dir("run/user/1000", 0o755)
	tree.Own("run/user/1000", rootlessUser)
	layer, err := tree.Layer()
	if err != nil {
		t.Fatal(err)
	}
	content, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*tar.Header{}
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		found[h.Name] = h
	}
	const want = "\x01\x00\x00\x02" + "\x80\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	if got := found["usr/bin/newuidmap"].PAXRecords["SCHILY.xattr.security.capability"]; got != want {
		t.Errorf("the capability is %q, want %q", got, want)
	}
	for name, user := range map[string]int{"run/user/1000": rootlessUser, "run/user": 0, "usr/bin/newuidmap": 0} {
		if h := found[name]; h.Uid != user || h.Gid != user {
			t.Errorf("%s belongs to %d:%d, want %d", name, h.Uid, h.Gid, user)
		}
	}
}
