package registrytest

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

// compression is how a layer is stored.
type compression string

const (
	none        compression = "nothing"
	gzipped     compression = "gzip"
	zstandard   compression = "zstd"
	unspecified compression = ""
)

// compressions are what the media types of layers say.
var compressions = map[types.MediaType]compression{
	types.OCIUncompressedLayer:    none,
	types.OCILayer:                gzipped,
	types.OCILayerZStd:            zstandard,
	types.DockerUncompressedLayer: none,
	types.DockerLayer:             gzipped,
	"application/vnd.docker.image.rootfs.diff.tar.zstd": zstandard,
}

// compressionOf tells from a layer's first bytes how it is stored.
func compressionOf(start []byte) compression {
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return gzipped
	case bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zstandard
	}
	return none
}

// layerSums is what is found in a layer.
type layerSums struct {
	digest, diffID v1.Hash
	size           int64
}

// readLayer reads a layer to its end: as it is stored, and as the archive that
// it unpacks to, which must be one. How it is stored must be what is wanted;
// unspecified takes what it finds, as docker does with an archive's layers.
func readLayer(stored io.Reader, want compression) (layerSums, error) {
	digest := sha256.New()
	counted := &counter{}
	all := bufio.NewReader(io.TeeReader(stored, io.MultiWriter(digest, counted)))
	start, err := all.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return layerSums{}, fmt.Errorf("read it: %w", err)
	}
	got := compressionOf(start)
	if want != unspecified && got != want {
		return layerSums{}, fmt.Errorf("it is compressed by %s, and its media type says %s", got, want)
	}
	plain, err := decompress(all, got)
	if err != nil {
		return layerSums{}, err
	}
	diffID := sha256.New()
	if err := readArchive(io.TeeReader(plain, diffID)); err != nil {
		return layerSums{}, fmt.Errorf("unpack it: %w", err)
	}
	// What follows the compressed archive is part of the blob still.
	if _, err := io.Copy(io.Discard, all); err != nil {
		return layerSums{}, fmt.Errorf("read it: %w", err)
	}
	return layerSums{digest: hash(digest.Sum(nil)), diffID: hash(diffID.Sum(nil)), size: counted.n}, nil
}

func decompress(r io.Reader, how compression) (io.Reader, error) {
	switch how {
	case gzipped:
		plain, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("unpack it: %w", err)
		}
		return plain, nil
	case zstandard:
		// One goroutine: this reader is never closed, and that one has none
		// left at the end.
		plain, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("unpack it: %w", err)
		}
		return plain, nil
	}
	return r, nil
}

// readArchive reads a tar with all its files, and whatever is behind its end.
func readArchive(r io.Reader) error {
	for archive := tar.NewReader(r); ; {
		_, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, archive); err != nil {
			return err
		}
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

func hash(sum []byte) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum)} }

type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return len(b), nil
}
