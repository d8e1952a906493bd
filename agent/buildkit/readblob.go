package buildkit

import (
	"bufio"
	"bytes"
	"context"
	"io"

	"github.com/containerd/containerd/v2/core/content"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry/imageindex"
)

// blobBuffer is how much of a blob is asked for at once, in bytes: each time is
// a request where the store is a builder's.
const blobBuffer = 256 << 10

// ReadBlob reads what a descriptor refers to into memory, up to a limit.
// containerd's own reader believes what the store says of the size.
func ReadBlob(ctx context.Context, store content.Provider, desc ocispecs.Descriptor, limit int64) ([]byte, error) {
	at, err := store.ReaderAt(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer func() { _ = at.Close() }() // it was only read
	// Not up to the size that the store has: it may be another one, or none.
	section := io.NewSectionReader(at, 0, max(0, min(desc.Size, limit)))
	return imageindex.ReadContent(bufio.NewReaderSize(section, blobBuffer), desc, limit)
}

// CountValues is how many values a JSON has at least, and not many more: commas
// in texts count, too. Each takes many times the memory that it has in JSON, so
// what a builder has sent is counted before it is parsed.
func CountValues(data []byte) int {
	return bytes.Count(data, []byte(",")) + bytes.Count(data, []byte("{"))
}
