// Package run runs the programs of the machine that the testbed leans on.
package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Command is one call of a program.
type Command struct {
	Name string
	Args []string
	Dir  string
	// Env is added to the environment of this process.
	Env   []string
	Stdin io.Reader
	// Stderr receives each piece of standard error as it comes, on top of
	// what is kept for the error message.
	Stderr io.Writer
}

// Output runs the program and returns what it wrote to standard output. Its
// error holds the last lines that the program wrote to standard error.
func (c Command) Output(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, c.Name, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdin = c.Stdin
	// A cancelled program gets the chance to remove its temporary files.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	// Nor does one go on alone after its testbed was killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT}
	var stdout, stderr bytes.Buffer
	cmd.Stdout = &stdout
	cmd.Stderr = &stderr
	if c.Stderr != nil {
		cmd.Stderr = io.MultiWriter(&stderr, c.Stderr)
	}
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return stdout.String(), &Error{Call: c.Name + " " + strings.Join(c.Args, " "), Stderr: tail(stderr.String(), 30), Err: err}
	}
	return stdout.String(), nil
}

// Quiet runs the program for its effect alone.
func (c Command) Quiet(ctx context.Context) error {
	_, err := c.Output(ctx)
	return err
}

// Output runs a program with no standard input.
func Output(ctx context.Context, name string, args ...string) (string, error) {
	return Command{Name: name, Args: args}.Output(ctx)
}

// Quiet runs a program for its effect alone.
func Quiet(ctx context.Context, name string, args ...string) error {
	_, err := Output(ctx, name, args...)
	return err
}

// Error is a program that failed, with what it said.
type Error struct {
	Call   string
	Stderr string
	Err    error
}

func (e *Error) Error() string {
	call := e.Call
	if len(call) > 200 {
		call = call[:200] + "…"
	}
	if e.Stderr == "" {
		return fmt.Sprintf("%s: %v", call, e.Err)
	}
	return fmt.Sprintf("%s: %v\n%s", call, e.Err, e.Stderr)
}

func (e *Error) Unwrap() error { return e.Err }

// Said tells whether err is a failed program that wrote the given text.
func Said(err error, text string) bool {
	var failed *Error
	return errors.As(err, &failed) && strings.Contains(failed.Stderr, text)
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return strings.Join(all, "\n")
}
