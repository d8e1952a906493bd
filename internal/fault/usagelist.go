package fault

import "strings"

// UsageList are all mistakes of a request at once.
type UsageList []*Usage

// Error has a line per mistake.
func (e UsageList) Error() string {
	lines := make([]string, len(e))
	for i, problem := range e {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives access to each mistake.
func (e UsageList) Unwrap() []error {
	errs := make([]error, len(e))
	for i, problem := range e {
		errs[i] = problem
	}
	return errs
}

// Hints are the hints of all mistakes, each once.
func (e UsageList) Hints() []string { return Hints(e.Unwrap()...) }

// Add keeps a mistake; nil is none.
func (e *UsageList) Add(err *Usage) {
	if err != nil {
		*e = append(*e, err)
	}
}

// Err is the list as an error; nil when it is empty.
func (e UsageList) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}
