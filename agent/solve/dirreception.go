package solve

import (
	"errors"
	"io/fs"
	"maps"
	"sync"

	"github.com/moby/buildkit/session/filesync"

	"github.com/slipway-build/slipway/internal/fault"
)

// dirReception is a directory in staging that receives the files of one solve.
type dirReception struct {
	output Output
	dir    string

	mu      sync.Mutex
	ended   bool
	running sync.WaitGroup
	denied  modes
	err     error // why it could not be taken
}

// receive is attempt.receive. A solve of several platforms may send one
// directory for each.
func (r *dirReception) receive(stream filesync.FileSend_DiffCopyServer) error {
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		return errStreamEnded
	}
	r.running.Add(1)
	r.mu.Unlock()
	defer r.running.Done()
	err := receiveTree(stream, r.dir, func(path string, mode fs.FileMode) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.denied = r.denied.with(modes{path: mode})
	})
	disk, invalid := (*diskError)(nil), (*fault.Builder)(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.err != nil:
	case errors.As(err, &disk):
		r.err = r.output.unwritable(disk.error, r.dir)
	case errors.As(err, &invalid):
		r.err = invalid
	}
	return err
}

// failed is attempt.failed.
func (r *dirReception) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// end returns when nothing is written any more, with the modes of directories
// that are not on disk. The session has ended, and with it the streams.
func (r *dirReception) end() modes {
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	r.running.Wait()
	return r.denied
}

// modes are those of directories that will deny their owner something, by their
// path in the output. They are set when all is in its place.
type modes map[string]fs.FileMode

// with adds modes; the receiver may be nil.
func (m modes) with(more modes) modes {
	if m == nil {
		m = modes{}
	}
	maps.Copy(m, more)
	return m
}
