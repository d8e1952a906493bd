package agent

import "errors"

// Class says what kind of failure ended the work, which is what a pipeline
// decides on: whether to try again and whom to tell.
type Class int

// The classes of DESIGN's exit codes. An error without a class is a fault of
// Slipway itself.
const (
	// ClassBuild is a failure of the user's Dockerfile or code.
	ClassBuild Class = iota + 1
	// ClassUsage is a wrong flag, file or definition; nothing was touched.
	ClassUsage
	// ClassCluster is a builder that could not be had: identity, rights,
	// capacity, not ready in time, or one whose answers are not valid.
	ClassCluster
	// ClassLost is a builder that went away in mid-build, more often than it
	// was tried again.
	ClassLost
	// ClassRegistry is a refused or failed pull, push or credential.
	ClassRegistry
	// ClassCancelled is the end by a signal or a deadline.
	ClassCancelled
)

// Error is a failure with its class.
type Error struct {
	Class Class
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// classify gives err a class unless it has one; nil stays nil.
func classify(class Class, err error) error {
	if err == nil {
		return nil
	}
	if known := (*Error)(nil); errors.As(err, &known) {
		return err
	}
	return &Error{Class: class, Err: err}
}
