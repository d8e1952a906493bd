package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// stdoutDest is the dest that means stdout.
const stdoutDest = "-"

// destination is where one file goes when a build has succeeded.
type destination interface {
	traits() traits
	// parent is the directory for the staging directory.
	parent() (string, error)
	// check fails when place would, as far as that can be known.
	check() error
	// place makes a staged file appear.
	place(ctx context.Context, file string) error
}

// openDestination checks the dest of an output that is a single file.
func openDestination(o Output, env Env) (destination, *fault.Usage) {
	if o.Dest == stdoutDest || o.Dest == "" || o.Dest == "/dev/stdout" {
		return openStdout(o, env)
	}
	file, err := target.Open(env.WorkDir, o.Dest)
	switch {
	case errors.Is(err, syscall.EISDIR):
		return nil, o.mistake("is a directory", "give a file: dest="+filepath.Join(o.Dest, "FILE"))
	case err != nil:
		return nil, o.unusable(err)
	}
	if file.Stays() {
		return fileDest{file}, o.checkTemp()
	}
	return fileDest{file}, nil
}

// unusable is the mistake of a destination that cannot be written to.
func (o Output) unusable(err error) *fault.Usage {
	hint := ""
	if leaves := (*target.LeavesError)(nil); errors.As(err, &leaves) {
		hint = leaves.Hint()
	}
	return o.mistake(fault.Cause(err), hint)
}

// fileDest is a file that a dest names.
type fileDest struct{ target.File }

func (d fileDest) traits() traits {
	t := traits{place: d.Path(), turn: turnFile}
	switch {
	case d.Streams():
		t.turn = turnStream
	case d.Stays():
		t.turn = turnInPlace
	}
	return t
}

func (d fileDest) parent() (string, error) { return d.Staging() }
func (d fileDest) check() error            { return d.Check() }

func (d fileDest) place(ctx context.Context, file string) error {
	return acrossMounts(ctx, file, d.Path(), func(file string) error { return d.Place(ctx, file) })
}

// openStdout is for a result that goes to stdout.
func openStdout(o Output, env Env) (destination, *fault.Usage) {
	if env.Stdout == nil {
		return nil, o.mistake("there is no stdout", "give a file: dest=FILE")
	}
	if env.StdoutTerminal {
		return nil, o.mistake("stdout is a terminal, which cannot show an archive", "give a file, dest=FILE, or redirect stdout")
	}
	return stdout{env.Stdout}, o.checkTemp()
}

// stdout is a destination that is open already.
type stdout struct{ out io.Writer }

func (d stdout) traits() traits          { return traits{place: stdoutDest, turn: turnStream} }
func (d stdout) parent() (string, error) { return target.TempPath(), nil }
func (d stdout) check() error            { return nil }

func (d stdout) place(ctx context.Context, file string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer closeQuietly(in)
	return target.Copy(ctx, d.out, in)
}

// checkTemp refuses an output that is kept in a temporary file until it can be
// written, where there are none.
func (o Output) checkTemp() *fault.Usage {
	if _, err := target.TempDir(); err != nil {
		return o.mistake(fmt.Sprintf("it is kept in a file until all is built, and %s", err), target.TempHint)
	}
	return nil
}
