package registrytest

import (
	"archive/tar"
	"os"
	"path/filepath"
	"testing"
)

// archive writes a tar with one entry of that name.
func archive(t *testing.T, name string, kind byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.tar")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(file)
	header := &tar.Header{Typeflag: kind, Name: name, Mode: 0o644}
	if kind == tar.TypeReg {
		header.Size = 2
	}
	if err := w.WriteHeader(header); err != nil {
		t.Fatal(err)
	}
	if kind == tar.TypeReg {
		if _, err := w.Write([]byte("hi")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		kind  byte
		fails bool
	}{
		{name: "blobs/sha256/ab", kind: tar.TypeReg},
		{name: "./oci-layout", kind: tar.TypeReg},
		{name: "blobs/", kind: tar.TypeDir},
		{name: "../outside", kind: tar.TypeReg, fails: true},
		{name: "link", kind: tar.TypeSymlink, fails: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			err := Unpack(archive(t, tt.name, tt.kind), folder)
			if (err != nil) != tt.fails {
				t.Fatalf("Unpack = %v, want a failure: %v", err, tt.fails)
			}
			if content, err := os.ReadFile(filepath.Join(folder, tt.name)); tt.kind == tar.TypeReg && !tt.fails && string(content) != "hi" {
				t.Errorf("the file holds %q (%v)", content, err)
			}
		})
	}
}
