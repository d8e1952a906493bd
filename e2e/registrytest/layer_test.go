package registrytest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"
)

func TestReadLayer(t *testing.T) {
	t.Parallel()
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "f", Size: 3, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	gzipOf := packed(t, plain.Bytes(), func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	zstdOf := packed(t, plain.Bytes(), func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w)
		if err != nil {
			t.Fatal(err)
		}
		return z
	})
	want := digestOf(t, plain.Bytes())
	for _, tt := range []struct {
		name   string
		stored []byte
		how    compression
		fails  string
	}{
		{"plain", plain.Bytes(), none, ""},
		{"gzip", gzipOf, gzipped, ""},
		{"zstd", zstdOf, zstandard, ""},
		{"gzip, not said", gzipOf, unspecified, ""},
		{"zstd, not said", zstdOf, unspecified, ""},
		{"zstd under gzip's media type", zstdOf, gzipped, "it is compressed by zstd, and its media type says gzip"},
		{"cut", gzipOf[:len(gzipOf)-3], gzipped, "unexpected EOF"},
		{"cut plain", plain.Bytes()[:513], none, "unexpected EOF"},
		{"no archive", []byte("hello, this is no archive at all"), none, "unpack it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sums, err := readLayer(bytes.NewReader(tt.stored), tt.how)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("readLayer = %v, want an error with %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if sums.size != int64(len(tt.stored)) || sums.digest.String() != digestOf(t, tt.stored) || sums.diffID.String() != want {
				t.Errorf("readLayer = %+v, want %d bytes that unpack to %s", sums, len(tt.stored), want)
			}
		})
	}
}

func digestOf(t *testing.T, content []byte) string {
	t.Helper()
	digest, _, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

func packed(t *testing.T, content []byte, writer func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var out bytes.Buffer
	w := writer(&out)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
