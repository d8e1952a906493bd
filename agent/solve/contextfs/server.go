package contextfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"
	"google.golang.org/grpc"
)

// Server is the part of a session from which the daemon fetches
// directories. BuildKit's own does the work; this one stands around it where
// it must know how a transfer goes.
type Server struct {
	mounts map[string]Mount

	mu      sync.Mutex
	failure *FileError // the first one
}

// NewServer serves directories by the names that the daemon asks for.
func NewServer(mounts map[string]Mount) *Server { return &Server{mounts: maps.Clone(mounts)} }

// Add serves one more directory. It is called before the session starts.
func (s *Server) Add(name string, m Mount) { s.mounts[name] = m }

// Register implements session.Attachable.
func (s *Server) Register(server *grpc.Server) {
	filesync.RegisterFileSyncServer(server, s)
}

// DiffCopy implements filesync.FileSyncServer: one transfer of one directory.
func (s *Server) DiffCopy(stream filesync.FileSync_DiffCopyServer) error {
	t := newTransfer(stream, s.fail)
	provider, ok := filesync.NewFSSyncProvider(chosenMount{s.mounts, t}).(filesync.FileSyncServer)
	if !ok {
		return errors.New("BuildKit's provider of files serves none")
	}
	err := provider.DiffCopy(t)
	return errors.Join(t.end(err), err)
}

// TarStream implements filesync.FileSyncServer. No BuildKit of today asks for
// it.
func (s *Server) TarStream(filesync.FileSync_TarStreamServer) error {
	return errors.New("tar streams are not served")
}

// fail keeps why a transfer failed.
func (s *Server) fail(err *FileError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil {
		s.failure = err
	}
}

// Failed is why a transfer failed, nil when none did.
func (s *Server) Failed() *FileError {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

// chosenMount tells a transfer which directory it is of.
type chosenMount struct {
	mounts   map[string]Mount
	transfer *transfer
}

// LookupDir implements filesync.DirSource.
func (c chosenMount) LookupDir(name string) (fsutil.FS, bool) {
	m, ok := c.mounts[name]
	if !ok {
		return nil, false
	}
	c.transfer.start(m)
	return transferFS{m, c.transfer}, true
}

// transferFS is the directory of a transfer, whose files are watched as they
// are read.
type transferFS struct {
	Mount
	transfer *transfer
}

// Walk implements fsutil.FS. Directories that cannot be read are the agent's
// matter, and the daemon would report them as the build's.
func (f transferFS) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	err := f.Mount.Walk(ctx, target, fn)
	unread := (*fs.PathError)(nil)
	if !errors.As(err, &unread) || f.root == "" {
		return err
	}
	rel, relErr := filepath.Rel(f.root, unread.Path)
	if relErr != nil {
		return err
	}
	return f.transfer.fail(rel, err)
}

// Open implements fsutil.FS. It returns no error: the sender would send an
// empty file instead.
func (f transferFS) Open(path string) (io.ReadCloser, error) {
	file, err := f.Mount.Open(path)
	if err != nil && isSocket(place(f.root, path)) {
		file, err = io.NopCloser(strings.NewReader("")), nil // a socket is an empty file
	}
	if err != nil {
		file = io.NopCloser(failedRead{f.transfer.fail(path, err)})
		return file, nil
	}
	return f.transfer.watch(path, file), nil
}

// failedRead is a file that cannot be read.
type failedRead struct{ err error }

// Read implements io.Reader.
func (r failedRead) Read([]byte) (int, error) { return 0, r.err }

func isSocket(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&os.ModeSocket != 0
}
