package results

import (
	"context"
	"errors"
	"os/exec"
	"time"
)

// Buildkite is what sets a build's meta-data and annotations.
type Buildkite struct {
	// StepKey is the key of the step; empty where it has none.
	StepKey string `env:"BUILDKITE_STEP_KEY"`
}

const (
	buildkiteAgent = "buildkite-agent"
	// buildkiteTimeout bounds all calls of the agent together.
	buildkiteTimeout = 15 * time.Second
	// maxMetaData bounds a value of meta-data, in bytes.
	// https://buildkite.com/docs/pipelines/configure/build-meta-data
	maxMetaData = 100 << 10
)

// call is one run of a program. Values are given on standard input, which has no limit
// and is seen by nobody else.
type call struct {
	args  []string
	stdin string
}

// open implements teller.
func (Buildkite) open(*Writer) {}

// tell implements teller. Buildkite's agent speaks to its server, so that it may fail
// or hang; the build does not depend on it.
func (b Buildkite) tell(ctx context.Context, w *Writer, r Results) error {
	if r.Status == Cancelled {
		return nil
	}
	calls, left := b.calls(r)
	w.left("Buildkite's meta-data", left)
	ctx, cancel := context.WithTimeout(ctx, buildkiteTimeout)
	defer cancel()
	run := w.places.Run
	if run == nil {
		run = RunProgram
	}
	for _, c := range calls {
		err := run(ctx, buildkiteAgent, c.args, c.stdin)
		if errors.Is(err, exec.ErrNotFound) {
			return nil // the step's container has none
		}
		if err != nil {
			w.warn("Buildkite is not told of the build: " + buildkiteAgent + " " + c.args[0] + ": " + err.Error())
			return nil
		}
	}
	return nil
}

// calls are the runs of Buildkite's agent. Meta-data belongs to all steps of a build:
// the key of a step tells several images apart. It also returns what is left out.
//
//	https://buildkite.com/docs/agent/cli/reference/meta-data
func (b Buildkite) calls(r Results) (calls []call, left []string) {
	prefix := "slipway:"
	if b.StepKey != "" {
		prefix += b.StepKey + ":"
	}
	for _, one := range r.values("\n") {
		if len(one.value) > maxMetaData {
			left = append(left, tooLarge(prefix+one.name, len(one.value), maxMetaData))
			continue
		}
		calls = append(calls, call{args: []string{"meta-data", "set", prefix + one.name}, stdin: one.value})
	}
	style := "success"
	if r.Status != Succeeded {
		style = "error"
	}
	text, _ := fitSummary(r, maxGitHub)
	return append(calls, call{args: []string{"annotate", "--style", style, "--context", prefix + "build"}, stdin: text}), left
}
