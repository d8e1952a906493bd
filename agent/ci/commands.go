package ci

import "time"

// Commands are the lines of a log that a CI system obeys, each without its line end;
// empty for what the system has no command for. All of them are written to standard
// error, where the rest of the log of a build is, so that they stand in order with it;
// every system here reads both streams of a job.
//
// Names, titles and messages come from Dockerfiles and builders. Whoever passes them
// has passed them through package sanitize as a part of one line; a method escapes
// what its own form demands.
type Commands interface {
	// Begin begins a section, which name identifies in the log: letters, digits, _
	// and -. A folded one shows its title only, until somebody opens it; it is empty
	// for an open one where the system folds all of them.
	Begin(name, title string, at time.Time, folded bool) string
	// End ends the section that was begun last.
	End(name string, at time.Time) string
	// Unfold shows all of the section that was begun last.
	Unfold() string
	// Alone is a line that stands between sections: the line itself where sections
	// have an end.
	Alone(line string) string
	// Annotate shows a finding beside the log, such as on a line of a pull request.
	Annotate(a Annotation) string
	// Mask hides a value in the log from here on.
	Mask(value string) string
}

// Level is how severe an annotation is.
type Level string

// The levels.
const (
	LevelError   Level = "error"
	LevelWarning Level = "warning"
)

// Annotation is a finding about the build or a line of its Dockerfile.
type Annotation struct {
	Level Level
	// Title is the finding in a few words, Message in a line or several.
	Title, Message string
	// File is relative to the workspace, with slashes; empty where the file is not
	// in it. Line and EndLine count from 1; 0 when unknown.
	File          string
	Line, EndLine int
}

// noCommands are those of a system that obeys no line of a log.
type noCommands struct{}

// Begin implements Commands.
func (noCommands) Begin(_, _ string, _ time.Time, _ bool) string { return "" }

// End implements Commands.
func (noCommands) End(_ string, _ time.Time) string { return "" }

// Unfold implements Commands.
func (noCommands) Unfold() string { return "" }

// Alone implements Commands.
func (noCommands) Alone(line string) string { return line }

// Annotate implements Commands.
func (noCommands) Annotate(Annotation) string { return "" }

// Mask implements Commands.
func (noCommands) Mask(string) string { return "" }
