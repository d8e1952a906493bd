package kaniko

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tarball is a tar with the entries, whose content is their name.
func tarball(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(h.Name))
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, h.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnpack(t *testing.T) {
	when := time.Unix(1e9, 0)
	data := tarball(t,
		tar.Header{Typeflag: tar.TypeDir, Name: "closed/", Mode: 0o555, ModTime: when},
		tar.Header{Typeflag: tar.TypeReg, Name: "closed/file", Mode: 0o751, ModTime: when},
		tar.Header{Typeflag: tar.TypeReg, Name: "./no/dir/before"},
		tar.Header{Typeflag: tar.TypeReg, Name: "/absolute"},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "link", Linkname: "closed/file"},
		tar.Header{Typeflag: tar.TypeLink, Name: "hard", Linkname: "closed/file"},
		tar.Header{Typeflag: tar.TypeReg, Name: "absolute", Mode: 0o600},
	)
	for name, data := range map[string][]byte{"plain": data, "gzip": zipped(t, data)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := Unpack(t.Context(), bytes.NewReader(data), dir); err != nil {
				t.Fatal(err)
			}
			for file, mode := range map[string]fs.FileMode{"closed/file": 0o751, "no/dir/before": 0o644, "absolute": 0o600, "link": 0o751, "hard": 0o751, "closed": fs.ModeDir | 0o755} {
				info, err := os.Stat(filepath.Join(dir, file))
				if err != nil {
					t.Error(err)
				} else if info.Mode() != mode {
					t.Errorf("%s: mode %v, want %v", file, info.Mode(), mode)
				}
			}
			if info, err := os.Stat(filepath.Join(dir, "closed")); err != nil || !info.ModTime().Equal(when) {
				t.Errorf("time of the directory: %v, %v", info, err)
			}
		})
	}
}

// TestUnpackStaysInside unpacks what wants to be elsewhere.
func TestUnpackStaysInside(t *testing.T) {
	for name, entries := range map[string][]tar.Header{
		"parent":         {{Typeflag: tar.TypeReg, Name: "../outside"}},
		"through a link": {{Typeflag: tar.TypeSymlink, Name: "up", Linkname: ".."}, {Typeflag: tar.TypeReg, Name: "up/outside"}},
		"hard link":      {{Typeflag: tar.TypeLink, Name: "hard", Linkname: "../secret"}},
		"device":         {{Typeflag: tar.TypeChar, Name: "null", Devmajor: 1, Devminor: 3}},
		"pipe":           {{Typeflag: tar.TypeFifo, Name: "pipe"}},
	} {
		t.Run(name, func(t *testing.T) {
			outer := t.TempDir()
			dir := filepath.Join(outer, "context")
			if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(outer, "secret"), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			err := Unpack(t.Context(), bytes.NewReader(tarball(t, entries...)), dir)
			if err == nil || !strings.Contains(err.Error(), "unpack ") {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(filepath.Join(outer, "outside")); err == nil {
				t.Error("a file was written outside")
			}
		})
	}
}

func TestUnpackNoTarball(t *testing.T) {
	for content, want := range map[string]string{
		"":                                    "is empty",
		"\x1f\x8bnever":                       "is not compressed with gzip",
		strings.Repeat("FROM scratch\n", 100): "is not a tarball",
		string(tarball(t, tar.Header{Typeflag: tar.TypeReg, Name: strings.Repeat("x", 90)})[:520]): "unexpected EOF",
	} {
		if err := Unpack(t.Context(), strings.NewReader(content), t.TempDir()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %s", content, err, want)
		}
	}
}

func TestUnpackIsCancelled(t *testing.T) {
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(enough)
	if err := Unpack(ctx, bytes.NewReader(tarball(t, tar.Header{Typeflag: tar.TypeReg, Name: "a"})), t.TempDir()); err == nil {
		t.Error("it was unpacked")
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte("FROM scratch"))
	f.Add(append([]byte{0x1f, 0x8b}, make([]byte, 20)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		outer := t.TempDir()
		dir := filepath.Join(outer, "context")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = Unpack(t.Context(), bytes.NewReader(data), dir)
		if entries, err := os.ReadDir(outer); err != nil || len(entries) != 1 {
			t.Errorf("outside there are %v, %v", entries, err)
		}
	})
}

func TestFetchAndPut(t *testing.T) {
	var put []byte
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/none":
			http.NotFound(w, r)
		case r.Method == http.MethodPut && r.Header.Get("Content-Type") == "text/plain":
			put, _ = io.ReadAll(r.Body)
		default:
			_, _ = io.WriteString(w, "content")
		}
	}))
	defer server.Close()
	body, err := Fetch(t.Context(), server.Client(), server.URL+"/c")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(body); err != nil || string(data) != "content" {
		t.Errorf("%q, %v", data, err)
	}
	_ = body.Close()
	file := File{Flag: "--digest-file", Path: server.URL + "/d?sig=secret", Content: func(digest string) []byte { return []byte(digest) }}
	if err := file.Put(t.Context(), server.Client(), "sha256:1"); err != nil || string(put) != "sha256:1" || !file.Remote() {
		t.Errorf("%q, %v", put, err)
	}
	// What the query says may be a credential.
	_, missing := Fetch(t.Context(), server.Client(), server.URL+"/none?sig=secret")
	file.Path = server.URL + "/none?sig=secret"
	refused := file.Put(t.Context(), server.Client(), "sha256:1")
	_, untrusted := Fetch(t.Context(), &http.Client{}, server.URL+"/c?sig=secret")
	for _, err := range []error{missing, refused, untrusted} {
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v", err)
		}
	}
}
