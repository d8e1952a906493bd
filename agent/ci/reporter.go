package ci

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/slipway-build/slipway/agent/ci/results"
	"github.com/slipway-build/slipway/agent/event"
)

// Reporter shows a build in the log of the CI system that runs it: a consumer of
// the build's events, which is closed when there are no more. What it writes into
// the log as a command of the system, such as the head of a section, must hold
// nothing of an event that has not passed package sanitize.
type Reporter interface {
	event.Closer
	event.Staller // a reporter around the display passes it on
}

// Log is the log of the job, as a reporter writes into it.
type Log interface {
	// Clean returns a text from outside as a part of one line, without secrets and
	// without what a terminal or a CI system obeys.
	Clean(text string) string
	// Command writes a line that the system obeys. All of it that comes from outside
	// is clean.
	Command(line string)
}

// maxAnnotations is how many annotations of a level GitHub shows of a step; it drops
// the others without a word.
const maxAnnotations = 10

// maxWarnings bounds the warnings that are compared with later ones; those after them are
// only counted.
const maxWarnings = 1000

// Reporter returns what shows a build in the log of the system: the plain display,
// around which findings become annotations where the system has any. checkout is
// that of Checkout.
func (s System) Reporter(plain Reporter, log Log, checkout results.Checkout) Reporter {
	if s.Commands == nil || s.Commands.Annotate(Annotation{Level: LevelError, Message: "x"}) == "" {
		return plain
	}
	return &annotator{Reporter: plain, commands: s.Commands, log: log, checkout: checkout}
}

// annotator adds annotations below what a display shows: warnings of the Dockerfile's
// checks, tests that have failed, and why the build has failed.
type annotator struct {
	Reporter
	commands Commands
	log      Log
	checkout results.Checkout

	dockerfile results.Location
	warnings   []Annotation // the first ones, at most maxAnnotations
	known      map[Annotation]bool
	more       int          // warnings after those
	tests      []Annotation // the first that have failed, at most maxAnnotations - 1
	failure    *Annotation
}

// Consume implements event.Consumer.
func (a *annotator) Consume(e event.Event) error {
	switch {
	case e.Assigned != nil:
		a.dockerfile = results.Location{Path: e.Assigned.Dockerfile, Git: e.Assigned.Git}
	case e.Progress != nil:
		for _, w := range e.Progress.Warnings {
			a.warn(w)
		}
	case e.Tests != nil:
		a.testsFailed(e.Tests)
	case e.Failed != nil:
		a.fail(e.Failed)
	}
	return a.Reporter.Consume(e)
}

// Close implements event.Closer.
func (a *annotator) Close() error {
	err := a.Reporter.Close()
	if errors.As(err, new(*event.StalledError)) {
		return err // nobody reads the log
	}
	for _, w := range a.warnings {
		a.log.Command(a.commands.Annotate(w))
	}
	if a.more > 0 {
		a.log.Command(fmt.Sprintf("%d more warnings are in the log only", a.more))
	}
	for _, one := range a.tests {
		a.log.Command(a.commands.Annotate(one))
	}
	if a.failure != nil {
		a.log.Command(a.commands.Annotate(*a.failure))
	}
	return err
}

// warn keeps a warning; several nodes report the same ones.
func (a *annotator) warn(w *event.Warning) {
	one := Annotation{Level: LevelWarning, Message: a.log.Clean(string(w.Short))}
	// The name of a rule, as in "FromAsCasing: 'as' and 'FROM' keywords' casing do not match".
	if rule, message, ok := strings.Cut(one.Message, ": "); ok && !strings.Contains(rule, " ") {
		one.Title, one.Message = rule, message
	}
	name := ""
	if w.Source != nil {
		name = w.Source.Filename
	}
	if len(w.Ranges) > 0 && w.Ranges[0] != nil && w.Ranges[0].Start != nil {
		one.Line = int(w.Ranges[0].Start.Line)
		if end := w.Ranges[0].End; end != nil {
			one.EndLine = int(end.Line)
		}
	}
	// BuildKit writes the line into the message as well.
	one.Message = strings.TrimSuffix(one.Message, fmt.Sprintf(" (line %d)", one.Line))
	if w.URL != "" {
		one.Message += " (" + a.log.Clean(w.URL) + ")"
	}
	a.locate(&one, a.dockerfile.Named(name), name)
	if a.known[one] {
		return
	}
	if a.known == nil {
		a.known = map[Annotation]bool{}
	}
	if len(a.known) < maxWarnings {
		a.known[one] = true
	}
	if len(a.warnings) == maxAnnotations {
		a.more++
		return
	}
	a.warnings = append(a.warnings, one)
}

// fail keeps why the build has failed, but for one that somebody has cancelled.
func (a *annotator) fail(f *event.Failed) {
	if f.Class == event.FailedCancelled {
		return
	}
	one := Annotation{Level: LevelError, Title: a.log.Clean(f.Step), Message: a.log.Clean(f.Error)}
	if one.Title == "" {
		one.Title = "slipway"
	}
	var file results.Location
	name := ""
	if f.Place != nil {
		file = results.Location{Path: f.Place.File, Git: f.Place.Git}
		name, one.Line, one.EndLine = f.Place.Name, f.Place.Start, f.Place.End
	}
	a.locate(&one, file, name)
	a.failure = &one
}

// testsFailed keeps tests that have failed; why the build has failed has the last place.
func (a *annotator) testsFailed(tests *event.Tests) {
	for _, f := range tests.Failures {
		if len(a.tests) == maxAnnotations-1 {
			return
		}
		one := Annotation{Level: LevelError, Title: a.log.Clean(f.Name), Message: a.log.Clean(cmp.Or(f.Message, "the test has failed"))}
		if tests.Platform != "" {
			one.Message = a.log.Clean(tests.Platform) + ": " + one.Message
		}
		if f.File != "" {
			one.Line = f.Line
			a.locate(&one, results.Location{Path: f.File}, f.File)
		}
		a.tests = append(a.tests, one)
	}
}

// locate puts a finding on a file of the job's repository. Where the file is not in it,
// the message says which it is.
func (a *annotator) locate(one *Annotation, file results.Location, name string) {
	if one.File = a.log.Clean(a.checkout.File(file)); one.File != "" {
		return
	}
	if elsewhere := file.Elsewhere(name, one.Line); elsewhere != "" {
		one.Message = a.log.Clean(elsewhere) + ": " + one.Message
	}
}
