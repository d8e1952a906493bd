package registry

import "fmt"

// UsageError is one mistake in what the user asked for, found before a
// registry is touched.
type UsageError struct {
	// Flag is the flag at fault ("--annotation"), or "source".
	Flag string
	// Value is the flag's value as it was given; may be empty.
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
