package output

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"strings"

	"github.com/slipway-build/slipway/internal/fault"
)

// tarBlock is the unit of a tar: headers and content are padded to it, and
// two empty ones are its end.
const tarBlock = 512

// mergeTars appends the entries of the other tars to the first. The bytes
// between the first header and the end are taken as they are, so the kernel
// can copy them or share them. The others are removed on the way, for two
// copies of everything may not fit.
func mergeTars(ctx context.Context, o Output, files []string) error {
	if len(files) < 2 {
		return nil
	}
	ends := make([]int64, len(files))
	seen := map[string]tarEntry{}
	for i, file := range files {
		var err error
		if ends[i], err = scanFile(ctx, o, file, seen); err != nil {
			return err
		}
	}
	first, err := os.OpenFile(files[0], os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer closeQuietly(first)
	if err := first.Truncate(ends[0]); err != nil {
		return err
	}
	if _, err := first.Seek(ends[0], io.SeekStart); err != nil {
		return err
	}
	for i, file := range files[1:] {
		if err := appendFile(ctx, first, file, ends[i+1]); err != nil {
			return err
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	if _, err := first.Write(make([]byte, 2*tarBlock)); err != nil {
		return err
	}
	return first.Close()
}

// appendFile copies the first size bytes of a file, file to file, so that the
// kernel may do it. Between the pieces ctx can end it.
func appendFile(ctx context.Context, out *os.File, file string, size int64) error {
	const piece = 64 << 20
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer closeQuietly(in)
	for size > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := io.CopyN(out, in, min(size, piece))
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		size -= n
	}
	return nil
}

// tarEntry is what two entries of the same path must share. Times are not
// part of it: a directory that every platform has was made at several.
type tarEntry struct {
	dir      bool
	mode     int64
	uid, gid int
}

// scanFile is scanTar for a file.
func scanFile(ctx context.Context, o Output, file string, seen map[string]tarEntry) (end int64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer closeQuietly(f)
	return scanTar(ctx, o, f, seen)
}

// scanTar reads the headers of a tar, adds them to seen and returns where the
// last entry ends. A path that two tars have must be a like directory in
// both.
func scanTar(ctx context.Context, o Output, f io.ReadSeeker, seen map[string]tarEntry) (end int64, err error) {
	own := map[string]tarEntry{}
	// The reader takes whole blocks from the file and no more, and skips
	// content by seeking.
	r := tar.NewReader(f)
	for ctx.Err() == nil {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			maps.Copy(seen, own)
			return end, nil
		}
		if err != nil {
			return 0, fmt.Errorf("read the tar that the builder has sent: %w", err)
		}
		if end, err = contentEnd(f, header); err != nil {
			return 0, err
		}
		name := path.Clean("/" + header.Name)
		entry := tarEntry{header.Typeflag == tar.TypeDir, header.Mode, header.Uid, header.Gid}
		if other, ok := seen[name]; ok && (!entry.dir || other != entry) {
			return 0, o.producedTwice(name[1:])
		}
		own[name] = entry
	}
	return 0, context.Cause(ctx)
}

// isSparse reports whether an entry has holes. archive/tar makes zeros of them:
// a few bytes of a tar can become any number of them.
func isSparse(header *tar.Header) bool {
	if header.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// contentEnd is where the content of the entry ends whose header was read.
func contentEnd(f io.Seeker, header *tar.Header) (int64, error) {
	start, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	switch header.Typeflag {
	case tar.TypeDir, tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return start, nil
	case tar.TypeReg:
		if isSparse(header) {
			return 0, fmt.Errorf("the builder has sent %s as a sparse file, whose end in the tar is not known", header.Name)
		}
	default:
		return 0, fmt.Errorf("the builder has sent %s as an entry of unknown type %q", header.Name, header.Typeflag)
	}
	return start + (header.Size+tarBlock-1)/tarBlock*tarBlock, nil
}

// producedTwice is the error for a path that two platforms write.
func (o Output) producedTwice(path string) *fault.Usage {
	return o.mistake("several platforms produced "+path,
		"leave "+attrPlatformSplit+"=false out, each platform then gets a directory of its own")
}
