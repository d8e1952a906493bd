package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/cmd/slipway/process"
	"github.com/slipway-build/slipway/internal/color"
	"github.com/slipway-build/slipway/internal/fault"
)

func TestExitCode(t *testing.T) {
	class := func(c fault.Class) error {
		return fmt.Errorf("context: %w", fault.With(c, errors.New("x")))
	}
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"build", class(fault.ClassBuild), 1},
		{"usage", class(fault.ClassUsage), 2},
		{"command line", &usageError{err: errors.New("x")}, 2},
		{"cluster", class(fault.ClassCluster), 3},
		{"lost", class(fault.ClassLost), 4},
		{"registry", class(fault.ClassRegistry), 5},
		{"cancelled", class(fault.ClassCancelled), 130},
		{"a mistake about registries", classifyRegistry(fmt.Errorf("x: %w", &fault.Usage{Flag: "source"})), 2},
		{"several", classifyRegistry(fault.List{&fault.Usage{Flag: "source"}, &fault.Usage{Flag: "--tag"}}), 2},
		{"a registry", classifyRegistry(errors.New("denied")), 5},
		{"a mistake about registries, where no registry is asked", &fault.Usage{Flag: "source"}, 70},
		{"a mistake about builds, in mid-command", fmt.Errorf("x: %w", &fault.Usage{Flag: "--secret"}), 70},
		{"a mistake about definitions", &usageError{err: fault.List{&fault.Usage{Flag: "--name"}}}, 2},
		{"SIGINT", process.SignalError{Signal: syscall.SIGINT}, 130},
		{"SIGTERM", fmt.Errorf("solve: %w", process.SignalError{Signal: syscall.SIGTERM}), 143},
		{"our own fault", errors.New("x"), 70},
		{"a panic, whatever it broke", fault.With(fault.ClassBuild, fault.Guard(func() error { panic("x") })()), 70},
	} {
		if got := exitCode(tt.err); got != tt.want {
			t.Errorf("%s: exit code %d, want %d", tt.name, got, tt.want)
		}
	}
}

type hinted struct {
	message string
	hint    string
}

func (h hinted) Error() string   { return h.message }
func (h hinted) Hints() []string { return []string{h.hint} }

// noted is an error that knows more than its message says.
type noted struct{ error }

func (n noted) Unwrap() error   { return n.error }
func (n noted) Notes() []string { return []string{"1 of 2 tests\x1b[2J failed:\nhttps://ci:s3cret@h/"} }

func TestPrintError(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"plain", errors.New("it broke"), "error: it broke\n"},
		{"wrapped hint", fmt.Errorf("node a: %w", hinted{"no room", "make room"}), "error: node a: no room\nhint: make room\n"},
		{"hint with a snippet", hinted{"refused", "apply this:\nkind: Role\n"}, "error: refused\nhint: apply this:\nkind: Role\n"},
		{"notes", noted{hinted{"exit code: 1", "run it again"}}, "error: exit code: 1\nnote: 1 of 2 tests failed: https://xxxxx:xxxxx@h/\nhint: run it again\n"},
		{"several mistakes, one hint", &usageError{
			err:   fault.List{hinted{"first", "read the help"}, hinted{"second", "read the help"}},
			hints: []string{"and the manual"},
		}, "error: first\nerror: second\nhint: read the help\nhint: and the manual\n"},
		{"a snippet comes last", &usageError{err: hinted{"refused", "apply this:\nkind: Role"}, hints: []string{"or ask"}}, "error: refused\nhint: or ask\nhint: apply this:\nkind: Role\n"},
		{"two errors that are one message", fmt.Errorf("%w: %w", errors.New("a"), errors.New("b")), "error: a: b\n"},
		{"a quotation of several lines", hinted{"it said\nerror: all is well\r::error::x\x1b[2J", "see\n  ##vso[a]"}, "error: it said\n  error: all is well ::error::x\nhint: see\n  ##vso [a]\n"},
		{"a URL", errors.New(`get "https://ci:s3cret@h/x?sig=s3cret": 403`), `error: get "https://xxxxx:xxxxx@h/x?sig=xxxxx": 403` + "\n"},
	} {
		var out strings.Builder
		printError(&out, "slipway", tt.err, color.Painter{})
		if diff := cmp.Diff(tt.want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// brokenPipe is where writing ends in a panic.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { panic("TOPSECRET") }

func TestPanicEndsTheProcessInOrder(t *testing.T) {
	var said strings.Builder
	code := run([]string{"completion", "bash"}, streams{strings.NewReader(""), brokenPipe{}, &said})
	if code != 70 || !strings.HasPrefix(said.String(), "error: slipway has a fault: panic of type string, at ") || !strings.Contains(said.String(), "hint: neither you nor your build") {
		t.Errorf("exit code %d: %s", code, said.String())
	}
	if strings.Contains(said.String(), "TOPSECRET") || strings.Count(said.String(), "\n") != 2 {
		t.Errorf("it says too much: %s", said.String())
	}
}
