package solve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// UsageError is one mistake in what the user asked for, found on the agent
// before anything else is touched.
type UsageError struct {
	// Flag is the flag at fault ("--secret"), or "build context".
	Flag string
	// Value is the flag's value as it was given; credentials in a URL are
	// left out of the message.
	Value string
	// Problem says what is wrong with it.
	Problem string
	// Hint says what to do; empty when the problem says it.
	Hint string
}

// Error implements error.
func (e *UsageError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("%s: %s", e.Flag, e.Problem)
	}
	return fmt.Sprintf("%s %q: %s", e.Flag, redact(e.Value), e.Problem)
}

// Hints says what to do about the error.
func (e *UsageError) Hints() []string {
	if e.Hint == "" {
		return nil
	}
	return []string{e.Hint}
}

// UsageErrors are all mistakes of a request at once.
type UsageErrors []*UsageError

// Error has a line per mistake.
func (e UsageErrors) Error() string {
	lines := make([]string, len(e))
	for i, problem := range e {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives access to each mistake.
func (e UsageErrors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, problem := range e {
		errs[i] = problem
	}
	return errs
}

// Hints are the hints of all mistakes, each once.
func (e UsageErrors) Hints() []string {
	var hints []string
	seen := map[string]bool{}
	for _, problem := range e {
		for _, hint := range problem.Hints() {
			if !seen[hint] {
				seen[hint] = true
				hints = append(hints, hint)
			}
		}
	}
	return hints
}

// problems collects mistakes while the rest of a request is still checked.
type problems struct{ found UsageErrors }

// add keeps a mistake; nil is none.
func (p *problems) add(err *UsageError) {
	if err != nil {
		p.found = append(p.found, err)
	}
}

// err is nil when no mistake was found.
func (p *problems) err() error {
	if len(p.found) == 0 {
		return nil
	}
	return p.found
}

// redact removes what URLs hide, also where one stands after name= as in
// --build-context. Anything else is returned as it is.
func redact(value string) string { return sanitize.RedactURLs(value) }

// cause is the bare reason of a file error, for messages that name the file
// themselves.
func cause(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	var linkErr *os.LinkError
	if errors.As(err, &linkErr) {
		return linkErr.Err.Error()
	}
	return err.Error()
}
