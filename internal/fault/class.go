package fault

import "errors"

// Class says what kind of failure ended the work, which is what a pipeline
// decides on: whether to try again and whom to tell. The zero value is no
// class: an error without one is a fault of Slipway itself.
type Class int

// The classes. Each has an exit code of its own, which the command line picks.
const (
	// ClassBuild is a failure of the user's Dockerfile or code.
	ClassBuild Class = iota + 1
	// ClassUsage is a wrong flag, file or definition; nothing was touched.
	ClassUsage
	// ClassCluster is a builder that could not be had: identity, rights,
	// capacity, not ready in time, or one whose answers are not valid.
	ClassCluster
	// ClassLost is a builder that went away in mid-build, more often than it was
	// tried again.
	ClassLost
	// ClassRegistry is a refused or failed pull, push or credential.
	ClassRegistry
	// ClassCancelled is the end by a signal or a deadline.
	ClassCancelled
)

// classified is an error with its class.
type classified struct {
	error
	class Class
}

// Unwrap returns the error without its class.
func (c *classified) Unwrap() error { return c.error }

// With gives err a class unless it has one; nil stays nil. The message stays
// as it is.
func With(class Class, err error) error {
	if err == nil || ClassOf(err) != 0 {
		return err
	}
	return &classified{err, class}
}

// ClassOf returns the class of an error, 0 if it has none.
func ClassOf(err error) Class {
	if known := (*classified)(nil); errors.As(err, &known) {
		return known.class
	}
	return 0
}
