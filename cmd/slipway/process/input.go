package process

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/slipway-build/slipway/internal/fault"
)

// AtTerminal waits for an answer at the terminal, or for the end of the
// context, after which the terminal is as it was. The read itself cannot be
// ended: it goes with the process, which has nothing else to do then. The error is that of the
// read, io.EOF where nothing was given.
func AtTerminal(ctx context.Context, file *os.File, read func(*os.File) (string, error)) (string, error) {
	before, err := term.GetState(int(file.Fd()))
	if err != nil {
		return "", err
	}
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go fault.Protect(func() {
		text, err := read(file)
		answers <- answer{text, err}
	})()
	select {
	case a := <-answers:
		return a.text, a.err
	case <-ctx.Done():
		return "", errors.Join(context.Cause(ctx), term.Restore(int(file.Fd()), before))
	}
}

// ReadLine reads a line byte by byte: what follows it is the next answer.
func ReadLine(file *os.File) (string, error) {
	var line []byte
	for one := make([]byte, 1); ; {
		n, err := file.Read(one)
		if n > 0 && one[0] == '\n' || err != nil && len(line) > 0 {
			return strings.TrimSpace(string(line)), nil
		}
		if err != nil {
			return "", err
		}
		line = append(line, one[:n]...)
	}
}

// maxAnswer is longer than an answer; what is longer is something else.
const maxAnswer = 8

// ReadPiped reads the first line of a file that is no terminal, byte by byte, for
// what follows it is not its own. It is empty where none comes in time.
func ReadPiped(ctx context.Context, file *os.File, patience time.Duration) (string, error) {
	const step = 100 * time.Millisecond // between looks at ctx
	end := time.Now().Add(patience)
	var line []byte
	for len(line) < maxAnswer {
		ready := []unix.PollFd{{Fd: int32(file.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(ready, int(step.Milliseconds()))
		switch {
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		case err != nil && !errors.Is(err, unix.EINTR):
			return "", nil // what cannot be waited for has no answer
		case n <= 0 && time.Now().After(end):
			return "", nil
		case n <= 0:
			continue
		}
		one := make([]byte, 1)
		if n, err := file.Read(one); n == 0 || err != nil || one[0] == '\n' {
			break
		}
		line = append(line, one[0])
	}
	return strings.TrimSpace(string(line)), nil
}
