package process

import (
	"bytes"
	"io"
	"os"
	"time"

	"github.com/slipway-build/slipway/internal/fault"
)

// maxHeldBack bounds a line that has no end yet, in bytes.
const maxHeldBack = 64 << 10

// lastWords is how long the end of a command waits for a program that still has
// the standard error that it was given.
const lastWords = 100 * time.Millisecond

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
		passLines(out, in, terminal)
	})()
	return func() {
		os.Stderr = before
		_ = pipe.Close()
		patience := time.NewTimer(lastWords)
		defer patience.Stop()
		select {
		case <-done:
		case <-patience.C:
		}
		_ = in.Close() // ends the reading
		<-done
	}, nil
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
