package output

import (
	"errors"
	"io/fs"
	"maps"
	"sync"

	"github.com/moby/buildkit/session/filesync"

	"github.com/slipway-build/slipway/internal/fault"
)

// dirReceiver is a directory in staging that receives the files of one solve.
type dirReceiver struct {
	output Output
	dir    string

	streams streams

	mu     sync.Mutex
	denied modes
	total  amount
	err    error // why it could not be taken
}

// receive is receiver.receive. A solve of several platforms may send one
// directory for each.
func (r *dirReceiver) receive(stream filesync.FileSend_DiffCopyServer) error {
	if err := r.streams.begin(); err != nil {
		return err
	}
	defer r.streams.done()
	total, err := receiveTree(stream, r.dir, func(path string, mode fs.FileMode) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.denied = r.denied.with(modes{path: mode})
	})
	disk, invalid := (*diskError)(nil), (*fault.Builder)(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total = r.total.plus(total)
	switch {
	case r.err != nil:
	case errors.As(err, &disk):
		r.err = r.output.unwritable(disk.error, r.dir)
	case errors.As(err, &invalid):
		r.err = invalid
	}
	return err
}

// failed is receiver.failed.
func (r *dirReceiver) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// end returns when nothing is written any more, with the modes of directories
// that are not on disk, and how much has come. The session has ended, and with it
// the streams.
func (r *dirReceiver) end() (modes, amount) {
	r.streams.end()
	return r.denied, r.total
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
