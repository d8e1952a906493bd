package fault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// Usage is one mistake in what the user asked for, found on the agent before
// anything else is touched.
type Usage struct {
	// Flag is the flag at fault ("--secret", "--driver-opt replicas"), or what else
	// the mistake is in, such as "build context" or "source".
	Flag string
	// Value is the flag's value as it was given; credentials in a URL are
	// left out of the message. It is empty where the problem repeats it or where
	// it may be a secret.
	Value string
	// Problem says what is wrong with it.
	Problem string
	// Hint says what to do; empty when the problem says it.
	Hint string
}

// Error implements error.
func (e *Usage) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("%s: %s", e.Flag, e.Problem)
	}
	return fmt.Sprintf("%s %q: %s", e.Flag, sanitize.RedactURLs(e.Value), e.Problem)
}

// Hints says what to do about the error.
func (e *Usage) Hints() []string {
	if e.Hint == "" {
		return nil
	}
	return []string{e.Hint}
}

// Cause is the bare reason of a file error, for messages that name the file
// themselves.
func Cause(err error) string {
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
