package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	ciresults "github.com/slipway-build/slipway/agent/ci/results"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/report"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/cmd/slipway/process"
	"github.com/slipway-build/slipway/internal/fault"
)

// told is what the CI system gets of a build that is under way; nil for nothing.
type told struct {
	writer    *ciresults.Writer
	collector *ciresults.Collector
	collected *event.Subscription // nil as long as there are no events
	made      *report.Report      // nil unless the build has succeeded
	warnings  bool                // of the linter are in the metadata
}

// tell finds out what the CI system gets and removes what an earlier build has left for
// it. That comes before all that may fail, so that a failure is told as well.
func (c *buildCmd) tell(in *invocation) (*told, error) {
	if call, err := c.call(); c.DryRun || err == nil && call.Name != "" {
		if c.CIResults != "" {
			in.log.Warn().Msg("--ci-results is not written: nothing is built")
		}
		return nil, nil
	}
	system, _, _ := c.choose(in) // a name that is not known is refused by parse
	places := ciresults.Places{
		System: system.Name, WorkDir: in.workdir, Variables: in.env.CI.Results,
		Mask: in.secrets.mask.String,
		Warn: func(message string) { in.log.Warn().Msg(message) },
	}
	places.Variables.GitLab.Registry = in.env.CI.GitLab.Registry
	if mode, err := c.mode(in); err == nil && mode != progress.RawJSON { // a program reads that
		places.Command = in.terminal.Command
	}
	if c.CIResults != "" {
		places.Dir = c.CIResults
		if !filepath.IsAbs(places.Dir) {
			places.Dir = filepath.Join(in.workdir, places.Dir)
		}
	}
	writer, err := ciresults.Open(places)
	if err != nil {
		return nil, &usageError{err: fmt.Errorf("--ci-results: %w", err)}
	}
	return &told{
		writer:    writer,
		collector: &ciresults.Collector{Checkout: system.Checkout(in.env.CI)},
		warnings:  in.env.enabled("BUILDX_METADATA_WARNINGS"),
	}, nil
}

// follow has the results made of the events of a build.
func (t *told) follow(events *event.Stream) {
	if t != nil {
		t.collected = events.Subscribe("results", t.collector)
	}
}

// succeeded notes what a build has made, nil for one that has failed.
func (t *told) succeeded(made *report.Report) {
	if t != nil {
		t.made = made
	}
}

// end writes what the build came to, and returns its error. What later steps would read
// of a build that has succeeded, and cannot be written, is an error of its own.
func (t *told) end(in *invocation, err error) error {
	if t == nil {
		return err
	}
	if t.collected != nil {
		if endErr := t.collected.End(); err == nil {
			err = endErr
		}
	}
	if writeErr := t.writer.Write(in.ctx, t.results(in, err)); writeErr != nil {
		if err == nil {
			return &usageError{err: fmt.Errorf("the build has succeeded, but its results cannot be written: %w", writeErr)}
		}
		in.log.Warn().Err(writeErr).Msg("the results of the build cannot be written")
	}
	return err
}

// results are what a build came to that has ended with an error, or nil.
func (t *told) results(in *invocation, err error) ciresults.Results {
	r := t.collector.Results()
	r.Inputs = in.inputs
	if r.Started.IsZero() {
		r.Started, r.Duration = began, time.Since(began).Seconds()
	}
	r.Started = r.Started.UTC()
	if err == nil {
		r.Status, r.Error = ciresults.Succeeded, nil
		if t.made != nil {
			if raw, err := json.Marshal(t.made.Metadata(t.warnings)); err == nil {
				r.Metadata = raw
			}
		}
		return r
	}
	ended := process.First(in.ctx, err)
	r.Status, r.ExitCode = ciresults.Failed, in.called.exitCode(ended)
	if fault.ClassOf(err) == fault.ClassCancelled || errors.As(ended, new(process.SignalError)) {
		r.Status = ciresults.Cancelled
	}
	// What a build that has failed after its end may have published is none of its results.
	r.Digest, r.Image, r.ImageID, r.Tags = "", "", "", nil
	failed := &ciresults.Failure{Message: strings.Join(problems(ended, error.Error), "\n"), Hints: fault.Hints(ended), Excerpt: solve.Excerpt(ended)}
	if r.Error != nil {
		failed.Place = r.Error.Place
	}
	r.Error = failed
	return r
}
