package solve

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/internal/target"
)

// headerSize is how much of stdin tells a tar from a Dockerfile: a header of
// 512 bytes, preceded by one for extended attributes in some formats.
const headerSize = 1024

// streamContext reads a context from a stream: a tar, plain or compressed, or the
// text of a Dockerfile for an empty context. The name is for messages.
func (s *sources) streamContext(name string, stream io.ReadCloser) (err error) {
	defer func() { err = errors.Join(err, stream.Close()) }()
	in := bufio.NewReaderSize(stream, headerSize)
	head, err := in.Peek(headerSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s cannot be read: %w", name, err)
	}
	if len(head) == 0 {
		return fmt.Errorf("%s is empty, expected a tar or a Dockerfile", name)
	}
	s.inputs.SharedKey = contextfs.SharedKey(cmp.Or(s.request.ContextKey, stdin))
	if isArchive(head) {
		// Several nodes read it, so it is kept in a file (mode 0600).
		s.inputs.ContextFile, err = s.spool("context.tar", name, in)
		return err
	}
	if s.request.Dockerfile != "" {
		return fmt.Errorf("%s holds a Dockerfile, but -f names another one", name)
	}
	data, err := io.ReadAll(io.LimitReader(in, maxDockerfile+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxDockerfile {
		return fmt.Errorf("%s holds neither a tar nor a Dockerfile, which has at most %d bytes", name, maxDockerfile)
	}
	if err := s.keepDockerfile(data); err != nil {
		return err
	}
	empty := filepath.Join(s.temp.Path(), "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		return err
	}
	s.inputs.Mounts[mountContext] = empty
	return nil
}

// keepDockerfile keeps a Dockerfile that is no file on disk in a directory of
// its own.
func (s *sources) keepDockerfile(data []byte) error {
	file, err := s.spool(filepath.Join("dockerfile", defaultDockerfile), "the Dockerfile", bytes.NewReader(data))
	if err != nil {
		return err
	}
	s.inputs.Mounts[mountDockerfile] = filepath.Dir(file)
	s.inputs.Attrs[attrDockerfileKey] = mountDockerfile
	s.inputs.Attrs[attrFilename] = defaultDockerfile
	return nil
}

// spool copies in to a file of the plan's temporary directory. from names it in
// messages.
func (s *sources) spool(name, from string, in io.Reader) (path string, err error) {
	if s.temp == nil {
		dir, err := target.TempDir()
		if err != nil {
			return "", err
		}
		made, err := target.Stage(dir)
		if err != nil {
			return "", &target.TempError{Err: err}
		}
		s.temp = made
	}
	path = filepath.Join(s.temp.Path(), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	if _, err := io.Copy(f, in); err != nil {
		return "", errors.Join(fmt.Errorf("read %s: %w", from, err), f.Close())
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
