package fault

import (
	"fmt"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// Usage is one mistake in what the user asked for, found before anything else
// is touched.
type Usage struct {
	// Flag is the flag at fault ("--secret"), or what stands for one ("source").
	Flag string
	// Value is the flag's value as it was given; empty where there is none, or
	// where it may be a secret. The message has it without what URLs hide.
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
