package source

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/fault"
)

// stdinInfo is nil when standard input is no file.
func stdinInfo(in io.Reader) fs.FileInfo {
	file, ok := in.(*os.File)
	if !ok {
		return nil
	}
	info, err := file.Stat()
	if err != nil {
		return nil
	}
	return info
}

// open opens a file that is no regular one. Standard input is read as it is
// under any of its names: a socket, or the pipe of another user, cannot be
// opened again.
func (r *Reader) open(path string, info fs.FileInfo) (io.ReadCloser, error) {
	if own := stdinInfo(r.stdin); own != nil && os.SameFile(own, info) {
		return r.openStdin()
	}
	// Opening a named pipe would wait for a writer, and could not be ended.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return newStream(r.ctx, file, file)
}

// openStdin reads standard input, which stays open.
func (r *Reader) openStdin() (io.ReadCloser, error) {
	switch in := r.stdin.(type) {
	case nil:
		return nil, ErrNoStdin
	case *os.File:
		return newStream(r.ctx, in, nil)
	default:
		return io.NopCloser(interruptible{r.ctx, in}), nil
	}
}

// stream reads a file until its end or that of the context. The descriptor may
// be shared with other processes, so its flags stay as they are.
type stream struct {
	ctx    context.Context
	file   *os.File
	closer io.Closer // nil for a file that somebody else closes
	end    *os.File  // readable once the context has ended
	stop   func()
}

func newStream(ctx context.Context, file *os.File, closer io.Closer) (io.ReadCloser, error) {
	end, trigger, err := os.Pipe()
	if err != nil {
		if closer != nil {
			err = errors.Join(err, closer.Close())
		}
		return nil, err
	}
	s := &stream{ctx: ctx, file: file, closer: closer, end: end}
	ended := context.AfterFunc(ctx, func() { _ = trigger.Close() })
	s.stop = func() {
		if ended() {
			_ = trigger.Close()
		}
	}
	return s, nil
}

// Read implements io.Reader.
func (s *stream) Read(buf []byte) (int, error) {
	if len(buf) == 0 {
		return 0, nil
	}
	for {
		if err := s.wait(); err != nil {
			return 0, err
		}
		n, err := s.once(buf)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, &fs.PathError{Op: "read", Path: s.file.Name(), Err: err}
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// wait returns when a read would not block. A named pipe without a writer is
// not at its end: the writer is still to come.
func (s *stream) wait() error {
	for {
		var err error
		var fds [2]unix.PollFd
		problem := s.control(func(in, end int) {
			fds = [2]unix.PollFd{{Fd: int32(in), Events: unix.POLLIN}, {Fd: int32(end), Events: unix.POLLIN}}
			_, err = unix.Poll(fds[:], -1)
		})
		switch {
		case problem != nil:
			return problem
		case s.ctx.Err() != nil:
			return context.Cause(s.ctx)
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case fds[0].Revents != 0:
			return nil
		}
	}
}

func (s *stream) once(buf []byte) (n int, err error) {
	problem := s.control(func(in, _ int) { n, err = unix.Read(in, buf) })
	return n, errors.Join(problem, err)
}

// control calls do with the two descriptors, which stay open that long.
func (s *stream) control(do func(in, end int)) error {
	in, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	end, err := s.end.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = in.Control(func(fd uintptr) {
		inner = end.Control(func(endFD uintptr) { do(int(fd), int(endFD)) })
	})
	return errors.Join(err, inner)
}

// Close implements io.Closer.
func (s *stream) Close() error {
	s.stop()
	err := s.end.Close()
	if s.closer != nil {
		err = errors.Join(err, s.closer.Close())
	}
	return err
}

// interruptible ends a read when the context does. A read that blocks is left
// behind then, which happens only while the command is on its way out.
type interruptible struct {
	ctx context.Context
	in  io.Reader
}

// Read implements io.Reader.
func (r interruptible) Read(buf []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	// A buffer of its own: the caller's may be reused after a cancellation.
	own := make([]byte, len(buf))
	done := make(chan result, 1)
	go fault.Protect(func() {
		n, err := r.in.Read(own)
		done <- result{n, err}
	})()
	select {
	case <-r.ctx.Done():
		return 0, context.Cause(r.ctx)
	case got := <-done:
		copy(buf, own[:got.n])
		return got.n, got.err
	}
}
