package agent

import (
	"context"
	"fmt"
	"sync"

	"github.com/docker/go-units"

	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/agent/solve/onfailure"
)

// firstError keeps the first of several errors.
type firstError struct {
	mu  sync.Mutex
	err error
}

func (e *firstError) set(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.err = err
	}
}

func (e *firstError) get() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// withFailedFiles lets the files of failed steps appear, says where they are, and returns
// the build's error with what its test reports say. That files cannot be had is no failure
// of its own: the build has one.
func (w *work) withFailedFiles(ctx context.Context, failure error) error {
	if ctx.Err() != nil {
		return failure
	}
	all, err := w.plan.PlaceFailedFiles(ctx)
	if err != nil {
		w.Log.Warn().Msg(err.Error())
		return failure
	}
	var notes []string
	for _, one := range all {
		if one.Tests.Tests > 0 {
			w.events.Emit(event.Event{Tests: testsOf(one)})
			notes = append(notes, testsLine(one))
		}
		for _, line := range one.LeftOut {
			w.Log.Warn().Msg(leftOutLine(one, line))
		}
		if one.Files > 0 {
			w.Log.Info().Msg(placedLine(one))
		}
	}
	if len(notes) > 0 {
		return &notedError{failure, notes}
	}
	return failure
}

// notedError is a failed build with what is to be known of it besides.
type notedError struct {
	error
	notes []string
}

// Unwrap returns the failure.
func (e *notedError) Unwrap() error { return e.error }

// Notes are lines for below the error.
func (e *notedError) Notes() []string { return e.notes }

// testsLine says what came of the tests of a step.
func testsLine(f solve.FailedFiles) string {
	r := f.Tests
	line := fmt.Sprintf("%d of %d tests failed", r.Failed, r.Tests)
	if r.Failed > 0 && len(r.Failures) > 0 {
		line += ", first: " + r.Failures[0].Name
		if r.Failures[0].Message != "" {
			line += ": " + r.Failures[0].Message
		}
	}
	if f.Platform != "" {
		line = f.Platform + ": " + line
	}
	return line
}

// testsOf is the event of the tests of a step.
func testsOf(f solve.FailedFiles) *event.Tests {
	t := &event.Tests{Platform: f.Platform, Total: f.Tests.Tests, Failed: f.Tests.Failed, Skipped: f.Tests.Skipped}
	for _, one := range f.Tests.Failures {
		t.Failures = append(t.Failures, event.TestFailure{Name: one.Name, Message: one.Message, File: one.File, Line: one.Line})
	}
	return t
}

// placedLine says where files of a failed step are.
func placedLine(f solve.FailedFiles) string {
	count := "1 file"
	if f.Files > 1 {
		count = fmt.Sprintf("%d files", f.Files)
	}
	return fmt.Sprintf("%s: %s (%s) of the failed step in %s", onfailure.Flag, count, units.HumanSize(float64(f.Bytes)), f.Path)
}

// leftOutLine says what is not among the files of a failed step.
func leftOutLine(f solve.FailedFiles, line string) string {
	if f.Platform != "" {
		line = f.Platform + ": " + line
	}
	return onfailure.Flag + ": " + line
}
