package results

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// RunProgram runs a program that is found in PATH, without a shell and until the context
// ends. The error has what it says last.
func RunProgram(ctx context.Context, program string, args []string, stdin string) error {
	path, err := exec.LookPath(program) // not in the working directory, which may be a checkout
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.WaitDelay = time.Second // what it has started may keep its output open
	var said tail
	cmd.Stdout, cmd.Stderr = &said, &said
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("it did not end in time: %w", ctx.Err())
	case err != nil && said.last() != "":
		return fmt.Errorf("%w: %s", err, said.last())
	}
	return err
}

// tail keeps the end of what is written to it.
type tail struct{ data []byte }

const maxTail = 4 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if extra := len(t.data) - maxTail; extra > 0 {
		t.data = t.data[extra:]
	}
	return len(p), nil
}

// last is the last line that is not empty.
func (t *tail) last() string {
	lines := bytes.Split(bytes.TrimSpace(t.data), []byte("\n"))
	return string(bytes.TrimSpace(lines[len(lines)-1]))
}
