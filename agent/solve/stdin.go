package solve

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// headerSize is how much of stdin tells a tar from a Dockerfile: a header of
// 512 bytes, preceded by one for extended attributes in some formats.
const headerSize = 1024

// stdinContext reads a context from stdin: a tar, plain or compressed, or the
// text of a Dockerfile for an empty context.
func (p *preparation) stdinContext(ctx context.Context) error {
	if p.request.Stdin == nil {
		return errors.New("there is no stdin")
	}
	in := bufio.NewReaderSize(contextReader{ctx, p.request.Stdin}, headerSize)
	head, err := in.Peek(headerSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("stdin cannot be read: %w", err)
	}
	if len(head) == 0 {
		return errors.New("stdin is empty, expected a tar or a Dockerfile")
	}
	p.inputs.SharedKey = sharedKey(cmp.Or(p.request.ContextKey, stdin))
	if isArchive(head) {
		// Several nodes read it, so it is kept in a file (mode 0600).
		p.inputs.ContextFile, err = p.spool("context.tar", in)
		return err
	}
	if p.request.Dockerfile != "" {
		return errors.New("stdin holds a Dockerfile, but -f names another one")
	}
	if err := p.stdinDockerfile(in); err != nil {
		return err
	}
	empty := filepath.Join(p.temp, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		return err
	}
	p.inputs.Mounts[mountContext] = empty
	return nil
}

// stdinDockerfile keeps a Dockerfile that came from stdin in a directory of
// its own.
func (p *preparation) stdinDockerfile(in io.Reader) error {
	file, err := p.spool(filepath.Join("dockerfile", defaultDockerfile), in)
	if err != nil {
		return err
	}
	p.inputs.Mounts[mountDockerfile] = filepath.Dir(file)
	p.inputs.Attrs[attrDockerfileKey] = mountDockerfile
	p.inputs.Attrs[attrFilename] = defaultDockerfile
	return nil
}

// spool copies in to a file of the plan's temporary directory.
func (p *preparation) spool(name string, in io.Reader) (path string, err error) {
	if p.temp == "" {
		if p.temp, err = os.MkdirTemp("", "slipway-"); err != nil {
			return "", err
		}
	}
	path = filepath.Join(p.temp, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	if _, err := io.Copy(f, in); err != nil {
		return "", errors.Join(fmt.Errorf("read stdin: %w", err), f.Close())
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	return path, nil
}

// isArchive reports whether data starts like a tar or one of the compressions
// that BuildKit unpacks.
func isArchive(data []byte) bool {
	for _, magic := range [][]byte{
		{0x42, 0x5A, 0x68},                   // bzip2
		{0x1F, 0x8B, 0x08},                   // gzip
		{0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00}, // xz
		{0x28, 0xB5, 0x2F, 0xFD},             // zstd
	} {
		if bytes.HasPrefix(data, magic) {
			return true
		}
	}
	// zstd may start with a skippable frame, 0x184D2A50 to 0x184D2A5F.
	if len(data) >= 8 && binary.LittleEndian.Uint32(data)&0xFFFFFFF0 == 0x184D2A50 {
		return true
	}
	_, err := tar.NewReader(bytes.NewReader(data)).Next()
	return err == nil
}

// contextReader ends a read when the context does. A read that is blocked in
// the kernel cannot be interrupted; it is left behind then, which happens
// only while the process is on its way out.
type contextReader struct {
	ctx context.Context
	in  io.Reader
}

// Read implements io.Reader.
func (r contextReader) Read(buf []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	// A buffer of its own: the caller's may be reused after a cancellation.
	own := make([]byte, len(buf))
	done := make(chan result, 1)
	go func() {
		n, err := r.in.Read(own)
		done <- result{n, err}
	}()
	select {
	case <-r.ctx.Done():
		return 0, context.Cause(r.ctx)
	case got := <-done:
		copy(buf, own[:got.n])
		return got.n, got.err
	}
}
