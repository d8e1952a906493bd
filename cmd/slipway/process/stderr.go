package process

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/slipway-build/slipway/internal/fault"
)

// maxHeldBack bounds a line that has no end yet, in bytes.
const maxHeldBack = 64 << 10

// lastWords is how long the end of a command waits for a program that still has
// the standard error that it was given.
const lastWords = 100 * time.Millisecond

// KeepStderr makes os.Stderr a copy of itself to which writing fails where nobody
// reads it any more. Go ends a process that writes to a broken pipe on descriptor 1
// or 2 (https://pkg.go.dev/os/signal#hdr-SIGPIPE): a build whose log nobody reads is
// to go on, and its exit code to say how it has ended. Standard output stays as it
// is, for `slipway ls | head`.
func KeepStderr() {
	fd, err := syscall.Dup(syscall.Stderr)
	if err != nil { // it is closed: writing fails anyhow
		return
	}
	syscall.CloseOnExec(fd)
	os.Stderr = os.NewFile(uintptr(fd), os.Stderr.Name())
}

// CaptureStderr makes os.Stderr a pipe to out, which expects whole lines.
// Libraries hand it to the programs that they run: client-go to credential
// plugins, and there is no option for another. At a terminal a piece of a line
// is passed on, too: it may ask for something. The returned function ends that.
func CaptureStderr(out io.Writer, terminal bool) (stop func(), err error) {
	in, pipe, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	before := os.Stderr
	os.Stderr = pipe
	done := make(chan struct{})
	go fault.Protect(func() {
		defer close(done)
		passLines(out, &untilDeadline{file: in}, terminal)
	})()
	return func() {
		os.Stderr = before
		_ = pipe.Close()
		if in.SetReadDeadline(time.Now().Add(lastWords)) != nil { // pipes of os have deadlines
			_ = in.Close()
		}
		<-done
		_ = in.Close()
	}, nil
}

// maxInPipe is how much is in a pipe at most, in bytes: what Linux gives one by default,
// https://man7.org/linux/man-pages/man7/pipe.7.html.
const maxInPipe = 64 << 10

// untilDeadline reads a pipe until its deadline and then what is in the pipe already: a
// slow log may have kept the reader from it.
type untilDeadline struct {
	file *os.File
	late bool // the deadline has passed
	rest int  // that is read after it, in bytes
}

// Read implements io.Reader.
func (u *untilDeadline) Read(p []byte) (int, error) {
	n, err := 0, error(nil)
	if !u.late {
		n, err = u.file.Read(p)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		u.late, u.rest = true, maxInPipe
	}
	if !u.late {
		return n, err
	}
	p = p[:min(len(p), u.rest)]
	if len(p) == 0 {
		return 0, io.EOF
	}
	// A read gets what there is before it waits.
	if err := u.file.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return 0, err
	}
	n, err = u.file.Read(p)
	u.rest -= n
	return n, err
}

// passLines copies lines until in ends. With pieces it does not wait for the
// end of a line.
func passLines(out io.Writer, in io.Reader, pieces bool) {
	var held []byte
	pass := func(n int) {
		if n > 0 {
			_, _ = out.Write(held[:n]) // there is no place left to complain at
			held = append(held[:0], held[n:]...)
		}
	}
	for buf := make([]byte, 4<<10); ; {
		n, err := in.Read(buf)
		held = append(held, buf[:n]...)
		switch {
		case err != nil:
			if len(held) > 0 {
				held = append(held, '\n')
			}
			pass(len(held))
			return
		case pieces || len(held) > maxHeldBack:
			pass(len(held))
		default:
			pass(bytes.LastIndexByte(held, '\n') + 1)
		}
	}
}
