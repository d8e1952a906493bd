package configmap

import (
	"fmt"
	"strings"

	"github.com/slipway-build/slipway/internal/fault"
)

// UsageError is one mistake in what `slipway create` was asked for, found
// before anything is written.
type UsageError struct {
	// Flag is the flag at fault ("--platform", "--driver-opt replicas").
	Flag string
	// Value is the flag's value as it was given; empty where the problem
	// repeats it, or where it may be a secret.
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
	return fmt.Sprintf("%s %q: %s", e.Flag, e.Value, e.Problem)
}

// Hints says what to do about the error.
func (e *UsageError) Hints() []string {
	if e.Hint == "" {
		return nil
	}
	return []string{e.Hint}
}

// UsageErrors are all mistakes at once: each is a *UsageError, or a *Problem
// of the definition that was to be changed.
type UsageErrors []error

// Error has a line per mistake.
func (e UsageErrors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives access to each mistake.
func (e UsageErrors) Unwrap() []error { return e }

// Hints are the hints of all mistakes, each once.
func (e UsageErrors) Hints() []string { return fault.Hints(e...) }

// err is nil when there is no mistake.
func (e UsageErrors) err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}
