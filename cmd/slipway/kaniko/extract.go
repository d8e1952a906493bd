package kaniko

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// withoutURL is an error of the HTTP client without the URL, whose query may be a
// credential.
func withoutURL(err error) error {
	if known := (*url.Error)(nil); errors.As(err, &known) {
		return known.Err
	}
	return err
}

// Fetch opens a tarball that is fetched by HTTPS. The caller closes it.
func Fetch(ctx context.Context, client *http.Client, address string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("is not a URL")
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetch it: %w", withoutURL(err))
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close() // nothing of it is of use
		return nil, fmt.Errorf("fetch it: %s answers %s", request.URL.Host, sanitize.Line(response.Status))
	}
	return response.Body, nil
}

// Unpack unpacks a tarball, compressed with gzip or not, into a directory that is empty.
// Nothing is written outside of it, whatever the tarball says.
func Unpack(ctx context.Context, in io.Reader, dir string) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	buffered := bufio.NewReaderSize(interrupted{ctx, in}, 64<<10)
	in = buffered
	if head, _ := buffered.Peek(2); len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		if in, err = gzip.NewReader(buffered); err != nil {
			return fmt.Errorf("is not compressed with gzip: %w", err)
		}
	} else if len(head) == 0 {
		return errors.New("is empty, expected a tarball")
	}
	u := unpacker{root: root}
	for archive := tar.NewReader(in); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return u.finish()
		}
		if err != nil {
			return fmt.Errorf("is not a tarball: %w", err)
		}
		if err := u.entry(header, archive); err != nil {
			return fmt.Errorf("unpack %q: %w", header.Name, err)
		}
	}
}

// interrupted ends reading when the context does.
type interrupted struct {
	ctx context.Context
	in  io.Reader
}

// Read implements io.Reader.
func (r interrupted) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.in.Read(p)
}

// unpacker writes the entries of a tarball.
type unpacker struct {
	root *os.Root
	// dirs are the directories, whose modes may forbid to write into them.
	dirs []*tar.Header
}

// entry writes one entry. A later one replaces an earlier one, as tar does.
func (u *unpacker) entry(header *tar.Header, content io.Reader) error {
	name := clean(header.Name)
	if name == "." {
		return nil
	}
	mode := modeOf(header)
	switch header.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil
	case tar.TypeDir:
		u.dirs = append(u.dirs, header)
		return u.root.MkdirAll(name, mode|0o700)
	}
	if err := u.root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := u.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch header.Typeflag {
	case tar.TypeReg:
		return u.file(name, mode, header, content)
	case tar.TypeSymlink:
		return u.root.Symlink(header.Linkname, name)
	case tar.TypeLink:
		return u.root.Link(clean(header.Linkname), name)
	}
	return errors.New("is neither a file, a directory nor a link")
}

// modeOf is the mode of an entry without its type.
func modeOf(header *tar.Header) fs.FileMode {
	return header.FileInfo().Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
}

// clean is the path of an entry below the directory. A path that leaves it is refused by
// the root.
func clean(name string) string {
	return filepath.Clean(strings.TrimLeft(filepath.FromSlash(name), string(filepath.Separator)))
}

func (u *unpacker) file(name string, mode fs.FileMode, header *tar.Header, content io.Reader) (err error) {
	f, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	err = errors.Join(err, f.Chmod(mode), f.Close()) // whatever the umask is
	if err != nil {
		return err
	}
	return u.root.Chtimes(name, header.ModTime, header.ModTime)
}

// finish gives the directories their modes and times. The owner can always read what
// is to be sent.
func (u *unpacker) finish() error {
	for i := len(u.dirs) - 1; i >= 0; i-- {
		header, name := u.dirs[i], clean(u.dirs[i].Name)
		if info, err := u.root.Lstat(name); err != nil || !info.IsDir() {
			continue // a later entry has replaced it
		}
		err := errors.Join(
			u.root.Chmod(name, modeOf(header)|0o700),
			u.root.Chtimes(name, header.ModTime, header.ModTime),
		)
		if err != nil {
			return fmt.Errorf("unpack %q: %w", header.Name, err)
		}
	}
	return nil
}
