package fault

import (
	"errors"
	"slices"
	"strings"
)

// hinter is an error that says what to do next. Packages give their errors
// this method; nothing else ties them to it.
type hinter interface{ Hints() []string }

// Hints returns what errors say to do about them, in their order and each hint
// once. Of an error that wraps others, the outermost one with hints counts: an
// error that wraps another's hints passes them on.
func Hints(errs ...error) []string {
	var all []string
	for _, err := range errs {
		var known hinter
		if !errors.As(err, &known) {
			continue
		}
		for _, hint := range known.Hints() {
			if !slices.Contains(all, hint) {
				all = append(all, hint)
			}
		}
	}
	return all
}

// noter is an error that knows more of what has happened than its message says.
type noter interface{ Notes() []string }

// Notes returns what is to be known of an error beside its message, a line each: that of
// the outermost error that has any.
func Notes(err error) []string {
	var known noter
	if !errors.As(err, &known) {
		return nil
	}
	return known.Notes()
}

// List is several errors of one command, each worth a line of its own where
// errors are printed.
type List []error

// Error joins the messages.
func (l List) Error() string {
	messages := make([]string, len(l))
	for i, err := range l {
		messages[i] = err.Error()
	}
	return strings.Join(messages, "; ")
}

// Unwrap returns the errors one by one.
func (l List) Unwrap() []error { return l }

// Hints are the hints of all errors, each once.
func (l List) Hints() []string { return Hints(l...) }

// Err is the list as an error; nil when it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}
