package imageindex

import (
	"bytes"
	"fmt"
	"io"
	"math"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
)

// MaxManifest is the size in bytes up to which registries must take manifests
// and indexes, as the distribution specification has it. Image configurations
// are held to it as well.
const MaxManifest = 4 << 20

// ReadContent reads what a descriptor refers to. The descriptor may come from
// somebody who is not trusted: a size above the limit is an error before
// anything is read, no more than the size is read, and size and digest must be
// those of the content.
func ReadContent(r io.Reader, desc ocispecs.Descriptor, limit int64) ([]byte, error) {
	if desc.Size > limit {
		return nil, TooLarge(limit)
	}
	return content.ReadAll(r, desc)
}

// ReadAtMost reads all of a stream whose size nobody has said. More than limit
// bytes are an error.
func ReadAtMost(r io.Reader, limit int64) ([]byte, error) {
	var b bytes.Buffer
	if n, err := b.ReadFrom(io.LimitReader(r, min(limit, math.MaxInt64-1)+1)); err != nil {
		return nil, err
	} else if n > limit {
		return nil, TooLarge(limit)
	}
	return b.Bytes(), nil
}

// TooLarge is the error for content that goes on behind the limit, in bytes.
func TooLarge(limit int64) error {
	return fmt.Errorf("it has more than the %d bytes that are read", limit)
}
