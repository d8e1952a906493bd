package cache

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/containerd/containerd/v2/core/content"
	contentlocal "github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-build/slipway/internal/fault"
)

// Store is the directory of a local cache that is written. An error of writing
// is kept for End, because the daemon only quotes it.
type Store struct {
	content.Store
	dir string

	mu     sync.Mutex
	begun  map[string]bool // names of blobs that are not complete
	failed error
}

// OpenStore opens the directory of a local cache for writing, and makes it. The
// error is a *fault.Usage.
func OpenStore(dir string) (*Store, error) {
	s := &Store{dir: dir, begun: map[string]bool{}}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, s.unwritable(err)
	}
	store, err := contentlocal.NewStore(dir)
	if err != nil {
		return nil, s.unwritable(err)
	}
	s.Store = store
	return s, nil
}

func (s *Store) unwritable(err error) error {
	return &fault.Usage{Flag: "--cache-to", Value: "type=local,dest=" + s.dir, Problem: err.Error(), Hint: fault.AgentHint(err)}
}

// note keeps the first error that is the agent's own.
func (s *Store) note(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil && fault.AgentHint(err) != "" {
		s.failed = s.unwritable(err)
	}
	return err
}

// Writer implements content.Ingester.
func (s *Store) Writer(ctx context.Context, opts ...content.WriterOpt) (content.Writer, error) {
	var o content.WriterOpts
	for _, opt := range opts {
		if err := opt(&o); err != nil {
			return nil, err
		}
	}
	// One that cannot be opened may have left a part, too.
	s.mu.Lock()
	s.begun[o.Ref] = true
	s.mu.Unlock()
	w, err := s.Store.Writer(ctx, opts...)
	if err != nil {
		return nil, s.note(err)
	}
	return &writer{w, s, o.Ref}, nil
}

// End removes what was begun and has not become complete, and returns why the
// cache could not be written.
func (s *Store) End(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := []error{s.failed}
	for ref := range s.begun {
		if err := s.Abort(ctx, ref); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, s.unwritable(err))
		}
	}
	return errors.Join(errs...)
}

// writer writes one blob.
type writer struct {
	content.Writer
	store *Store
	ref   string
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	return n, w.store.note(err)
}

// Commit implements content.Writer.
func (w *writer) Commit(ctx context.Context, size int64, expected digest.Digest, opts ...content.Opt) error {
	err := w.store.note(w.Writer.Commit(ctx, size, expected, opts...))
	if err == nil {
		w.store.mu.Lock()
		defer w.store.mu.Unlock()
		delete(w.store.begun, w.ref)
	}
	return err
}
