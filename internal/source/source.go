// Package source reads the files that a user names. Such a name may stand for
// what can be read only once: a named pipe, standard input, the descriptor of a
// shell's process substitution. Every reader of files that a user names goes
// through a Reader, so that what was read once is there for whoever asks next.
package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// MaxConfig bounds configuration, certificates and keys, in bytes. Kubernetes
// keeps at most 1 MiB in one object.
const MaxConfig = 4 << 20

// Reader reads files. A regular file is read each time anew, because it may be
// renewed meanwhile. Anything else is read once and kept in memory. A Reader
// belongs to one command and is safe for concurrent use. A nil Reader reads regular
// files only.
type Reader struct {
	ctx   context.Context
	stdin io.Reader

	mu    sync.Mutex
	kept  []*kept
	paths map[string]*os.File // copies in memory, by the path that they stand for
}

// New returns a Reader that gives up waiting for data when ctx ends. stdin is
// standard input; nil when there is none.
func New(ctx context.Context, stdin io.Reader) *Reader {
	return &Reader{ctx: ctx, stdin: stdin, paths: map[string]*os.File{}}
}

// kept is a source that can be read once.
type kept struct {
	info fs.FileInfo // nil for a standard input that is no file

	mu    sync.Mutex
	read  bool
	taken bool // as a stream, which is not kept
	data  []byte
	err   error
}

// errTaken is a source that somebody else has read to its end.
var errTaken = errors.New("it can be read only once and is the build context already")

// errNobodyKeeps is what a nil Reader says of what is no regular file.
var errNobodyKeeps = errors.New("is not a regular file")

// ErrNoStdin is a command without a standard input.
var ErrNoStdin = errors.New("there is no standard input")

// TooLongError is a source with more bytes than may be read of it.
type TooLongError struct{ Limit int64 }

// Error implements error.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("it is longer than %d bytes", e.Limit)
}

// Read returns the content of a file that has at most limit bytes. The error is
// that of the file system, with the path in it, or a *TooLongError.
func (r *Reader) Read(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &fs.PathError{Op: "read", Path: path, Err: syscall.EISDIR}
	case !info.Mode().IsRegular() && r == nil:
		return nil, &fs.PathError{Op: "read", Path: path, Err: errNobodyKeeps}
	case !info.Mode().IsRegular():
		return r.source(info).all(limit, func() (io.ReadCloser, error) { return r.open(path, info) })
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	return readAll(file, limit)
}

// ReadStdin returns all of standard input, which has at most limit bytes.
func (r *Reader) ReadStdin(limit int64) ([]byte, error) {
	if r == nil {
		return nil, ErrNoStdin
	}
	return r.source(stdinInfo(r.stdin)).all(limit, r.openStdin)
}

// Stream returns the content of a file that is no regular one, without a limit
// and without keeping it: nobody can read it after that.
func (r *Reader) Stream(path string) (io.ReadCloser, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errNobodyKeeps}
	}
	return r.source(info).stream(func() (io.ReadCloser, error) { return r.open(path, info) })
}

// StreamStdin is Stream for standard input.
func (r *Reader) StreamStdin() (io.ReadCloser, error) {
	if r == nil {
		return nil, ErrNoStdin
	}
	return r.source(stdinInfo(r.stdin)).stream(r.openStdin)
}

// Path returns a path under which a library can read the file any number of
// times: that of the file itself, or that of a copy in memory. It is valid until
// Close.
func (r *Reader) Path(path string, limit int64) (string, error) {
	if info, err := os.Stat(path); err != nil || info.IsDir() || info.Mode().IsRegular() || info.Mode()&fs.ModeSocket != 0 {
		return path, err
	}
	data, err := r.Read(path, limit)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	file, ok := r.paths[path]
	if !ok {
		if file, err = inMemory(data); err != nil {
			return "", &fs.PathError{Op: "copy", Path: path, Err: err}
		}
		r.paths[path] = file
	}
	return fmt.Sprintf("/proc/self/fd/%d", file.Fd()), nil
}

// Close removes the copies that Path has made.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, file := range r.paths {
		errs = append(errs, file.Close())
	}
	clear(r.paths)
	return errors.Join(errs...)
}

// source returns what is known of a source. Different names may stand for the
// same one: /dev/stdin and /dev/fd/0.
func (r *Reader) source(info fs.FileInfo) *kept {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.kept {
		if k.info == nil && info == nil || k.info != nil && info != nil && os.SameFile(k.info, info) {
			return k
		}
	}
	k := &kept{info: info}
	r.kept = append(r.kept, k)
	return k
}

// all returns the content, which is read when it is first asked for.
func (k *kept) all(limit int64, open func() (io.ReadCloser, error)) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.taken:
		return nil, errTaken
	case !k.read:
		k.read = true
		k.data, k.err = readStream(limit, open)
	}
	if k.err == nil && int64(len(k.data)) > limit {
		return nil, &TooLongError{limit}
	}
	return append([]byte(nil), k.data...), k.err
}

// stream returns the content if nobody has read it before.
func (k *kept) stream(open func() (io.ReadCloser, error)) (io.ReadCloser, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.taken:
		return nil, errTaken
	case k.read && k.err != nil:
		return nil, k.err
	case k.read:
		return nil, errors.New("it can be read only once and was read already")
	}
	k.taken = true
	return open()
}

func readStream(limit int64, open func() (io.ReadCloser, error)) (data []byte, err error) {
	in, err := open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	return readAll(in, limit)
}

func readAll(in io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &TooLongError{limit}
	}
	return data, nil
}
