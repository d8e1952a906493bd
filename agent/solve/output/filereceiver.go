package output

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/docker/go-units"
)

// fileReceiver is a staged file that receives the stream of one solve.
type fileReceiver struct {
	output Output
	path   string

	mu      sync.Mutex
	file    *os.File // while the stream runs
	started bool
	ended   bool
	written int64
	err     error // why it could not be written
}

// open implements BuildKit's FileOutputFunc.
func (r *fileReceiver) open(map[string]string) (io.WriteCloser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || r.started {
		return nil, errStreamEnded
	}
	// The mode that os.Create would give: this file becomes the output.
	file, err := os.OpenFile(r.path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o666)
	if err != nil {
		r.err = err
		return nil, err
	}
	r.file, r.started = file, true
	return r, nil
}

// Write implements io.Writer.
func (r *fileReceiver) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return 0, errStreamEnded
	}
	n, err := r.file.Write(p)
	r.written += int64(n)
	if err != nil {
		r.err = err
	}
	return n, err
}

// Close implements io.Closer. Its error reaches the daemon.
func (r *fileReceiver) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closeFile()
}

func (r *fileReceiver) closeFile() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	if err != nil && r.err == nil {
		r.err = err
	}
	return err
}

// failed is receiver.failed.
func (r *fileReceiver) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		return nil
	}
	err := fmt.Errorf("%w, after %s", r.err, units.BytesSize(float64(r.written)))
	return r.output.unwritable(err, r.path)
}

// end closes the file and removes it unless it is kept. The stream may still
// run when its solve has failed.
func (r *fileReceiver) end(keep bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	err := r.closeFile()
	switch {
	case keep && err != nil:
		return r.output.unwritable(err, r.path)
	case keep && !r.started:
		return r.output.notSent()
	case keep:
		return nil
	}
	if err := os.Remove(r.path); r.started && err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// notSent is the error for a solve that succeeded without sending an output,
// which is what a daemon does that knows one exporter only.
func (o Output) notSent() error {
	return o.mistake("the builder has sent nothing for it", "several outputs in one build need BuildKit v0.13 or newer on the builder")
}
