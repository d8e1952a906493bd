package progress

import "time"

// StepLog is the form of a log that is printed line by line, for a person who reads it
// in a web page: each line says which platform it is of, and each step has a section
// where the CI system can fold parts of a log.
type StepLog struct {
	// Sections are the commands of the CI system that shows the log; nil for none.
	Sections Sections
	// Grouped prints the log of each step as a whole when the step ends.
	Grouped bool
	// Heartbeat is after how long without output a line says that a step is still
	// running; each next one comes after twice the time. 0 is never.
	Heartbeat time.Duration
}

// Sections are the commands by which a CI system folds parts of a log, each a line
// without its end; empty for what the system has no command for. Titles are clean.
type Sections interface {
	// Begin begins a section. A folded one shows its title only, until somebody opens
	// it. It is empty where the system cannot show an open one: the lines then stand
	// between sections.
	Begin(name, title string, at time.Time, folded bool) string
	// End ends the section that was begun last.
	End(name string, at time.Time) string
	// Unfold shows all of the section that was begun last.
	Unfold() string
	// Alone is a line between sections.
	Alone(line string) string
}

// noSections are those of a log that has none.
type noSections struct{}

func (noSections) Begin(_, _ string, _ time.Time, _ bool) string { return "" }
func (noSections) End(_ string, _ time.Time) string              { return "" }
func (noSections) Unfold() string                                { return "" }
func (noSections) Alone(line string) string                      { return line }

// Steps prints a log in this form in the place of BuildKit's; nil is BuildKit's. On a
// terminal that a CI system gives to a job nobody looks at a display that redraws
// itself: mode Auto prints lines there as well.
func Steps(form *StepLog) Option { return func(d *Display) { d.form = form } }
