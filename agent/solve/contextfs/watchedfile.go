package contextfs

import (
	"errors"
	"hash"
	"io"
)

// watchedFile is a file on its way to the daemon. What is sent is hashed once
// more: a file that has changed since it got its time must not reach the
// daemon, which would take it for the other content in every later build of
// every agent.
type watchedFile struct {
	io.ReadCloser
	path     string
	transfer *transfer
	promise  promise
	left     int64     // bytes to read
	hash     hash.Hash // nil when its time is kept: nothing was promised
}

// Read implements io.Reader.
func (f *watchedFile) Read(buf []byte) (int, error) {
	if f.hash == nil {
		n, err := f.ReadCloser.Read(buf)
		if err != nil && !errors.Is(err, io.EOF) {
			err = f.transfer.fail(f.path, err)
		}
		return n, err
	}
	if f.left == 0 {
		if !f.promise.kept(sumOf(f.hash)) {
			return 0, f.changed()
		}
		return 0, io.EOF
	}
	n, err := f.ReadCloser.Read(buf[:min(f.left, int64(len(buf)))])
	f.hash.Write(buf[:n])
	f.left -= int64(n)
	switch {
	case f.left == 0 || err == nil:
		return n, nil // compared by the next call
	case errors.Is(err, io.EOF):
		return n, f.changed()
	}
	return n, f.transfer.fail(f.path, err)
}

func (f *watchedFile) changed() error {
	f.transfer.mount.Sums.forget(place(f.transfer.mount.root, f.path))
	return f.transfer.fail(f.path, ErrChanged)
}
