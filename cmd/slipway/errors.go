package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/cmd/slipway/process"
	"github.com/slipway-build/slipway/internal/color"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// Exit codes. A pipeline can try 3, 4 and 5 again and must not try 1 and 2
// again.
const (
	exitBuild    = 1
	exitUsage    = 2
	exitCluster  = 3
	exitLost     = 4
	exitRegistry = 5
	exitCancel   = 130
	exitInternal = 70 // sysexits' EX_SOFTWARE: a fault of Slipway itself
)

// usageError is a mistake on the command line or in the environment.
type usageError struct {
	err   error
	hints []string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// Hints are those of the mistake itself, then those of how it came about.
func (e *usageError) Hints() []string { return append(fault.Hints(e.err), e.hints...) }

// exitCode picks the process's exit code for an error.
func exitCode(err error) int {
	if byUser := (process.SignalError{}); errors.As(err, &byUser) {
		return byUser.ExitCode()
	}
	if own := (*fault.Panic)(nil); errors.As(err, &own) {
		return exitInternal
	}
	if usage := (*usageError)(nil); errors.As(err, &usage) {
		return exitUsage
	}
	switch fault.ClassOf(err) {
	case fault.ClassBuild:
		return exitBuild
	case fault.ClassUsage:
		return exitUsage
	case fault.ClassCluster:
		return exitCluster
	case fault.ClassLost:
		return exitLost
	case fault.ClassRegistry:
		return exitRegistry
	case fault.ClassCancelled:
		return exitCancel
	}
	return exitInternal
}

// printError is the one place that prints an error: the excerpt of the
// Dockerfile if the build failed there, a line for every problem, then the
// hints. An error may quote anybody: what it says in several lines is indented,
// so that none of them looks like a line of its own. The lines of problems are those
// of the name under which the program runs. Hints of several lines are to paste: they come last, so that nothing
// stands between or below them.
func printError(w io.Writer, name called, err error, paint color.Painter) {
	var b strings.Builder
	b.WriteString(solve.Excerpt(err))
	for _, one := range problems(err, name.message) {
		b.WriteString(paint.Paint(color.Bad, name.errorPrefix()) + " " + sanitize.Indent(one, "  ") + "\n")
	}
	for _, note := range fault.Notes(err) {
		b.WriteString(paint.Paint(color.Hint, "note:") + " " + sanitize.Indent(sanitize.Line(note), "") + "\n")
	}
	for _, hint := range fault.SnippetsLast(fault.Hints(err)) {
		b.WriteString(paint.Paint(color.Hint, "hint:") + " " + sanitize.Indent(hint, "") + "\n")
	}
	_, _ = io.WriteString(w, b.String())
}

// errorJSON is the last line of a command that fails with --log-format=json. Its
// keys level, time and message are those of the other diagnostics.
type errorJSON struct {
	// Level is "error", Time when it was printed.
	Level string    `json:"level"`
	Time  time.Time `json:"time"`
	// Message is all that went wrong in one line.
	Message string `json:"message"`
	// Errors are the mistakes, each by itself.
	Errors []string `json:"errors"`
	// Hints say what to do about it, in order.
	Hints []string `json:"hints"`
	// Notes are what is to be known besides, such as the tests that have failed.
	Notes []string `json:"notes,omitempty"`
	// Excerpt shows where in the Dockerfile the build failed.
	Excerpt string `json:"excerpt,omitempty"`
	// ExitCode is that of the process.
	ExitCode int `json:"exitCode"`
}

// errorOf is an error as JSON has it. Credentials in URLs are taken out, as
// printError does.
func errorOf(err error, exitCode int, now time.Time) errorJSON {
	out := errorJSON{Level: "error", Time: now.UTC().Truncate(time.Second), Excerpt: solve.Excerpt(err), ExitCode: exitCode}
	for _, one := range problems(err, error.Error) {
		out.Errors = append(out.Errors, sanitize.RedactURLs(one))
	}
	for _, hint := range fault.Hints(err) {
		out.Hints = append(out.Hints, sanitize.RedactURLs(hint))
	}
	for _, note := range fault.Notes(err) {
		out.Notes = append(out.Notes, sanitize.RedactURLs(sanitize.Line(note)))
	}
	out.Message = strings.Join(out.Errors, "; ")
	return out
}

// wantsJSON tells whether errors are JSON: format is the flag's value. Where the
// command line could not be parsed it is empty or the default, so what is written
// there goes first.
func wantsJSON(args []string, format string) bool {
	for i, arg := range args {
		value, given := strings.CutPrefix(arg, "--log-format")
		switch {
		case given && value == "" && i+1 < len(args):
			return args[i+1] == formatJSON
		case given && strings.HasPrefix(value, "="):
			return value == "="+formatJSON
		}
	}
	return format == formatJSON || os.Getenv("SLIPWAY_LOG_FORMAT") == formatJSON
}

// several is an error that holds several mistakes of the user's, each worth a
// line. What fmt or errors make of two errors is one message, and no hinter.
type several interface {
	Hints() []string
	Unwrap() []error
}

// problems returns the messages of all mistakes that err holds.
func problems(err error, message func(error) string) []string {
	var all several
	if !errors.As(err, &all) {
		return []string{message(err)}
	}
	var out []string
	for _, one := range all.Unwrap() {
		out = append(out, problems(one, message)...)
	}
	return out
}
