package agent

import (
	"errors"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/internal/fault"
)

// platformError is a failure on one of several platforms, or of an instruction.
type platformError struct {
	// where is the platform and the node; empty where the build has one platform.
	where string
	// what has failed, and why.
	what string
	err  error
}

// Error implements error.
func (e *platformError) Error() string {
	if e.where == "" {
		return e.what
	}
	return e.where + ": " + e.what
}

// Unwrap returns the failure.
func (e *platformError) Unwrap() error { return e.err }

// BuildxMessage is the message of a failure as docker buildx has it: that of
// BuildKit for a build of one platform, which has no other message in docker's way.
func BuildxMessage(err error) string {
	if at := (*platformError)(nil); errors.As(err, &at) && at.where == "" && at.Error() == err.Error() {
		err = at.err
	}
	return solve.ClientMessage(err)
}

// located says of a failure on a node which instruction it was, and for which
// platform, where the build has several. What is about the request as a whole, or about the agent, is none of a
// platform.
func (w *work) located(node int, class fault.Class, err error) error {
	total := 0
	var platforms []string
	for _, job := range w.jobs {
		total += len(job.Platforms)
		if job.Node == node {
			platforms = fleet.FormatPlatforms(job.Platforms)
		}
	}
	step, what := solve.FailedStep(err), err.Error()
	switch {
	case class == fault.ClassUsage, class == fault.ClassCancelled:
		return err
	case class == fault.ClassBuild && step == "": // a Dockerfile that cannot be read
		return err
	case class == fault.ClassBuild:
		what = solve.Failure(err)
	}
	if total < 2 {
		if what == err.Error() {
			return err
		}
		return &platformError{what: what, err: err}
	}
	if own := platformOf(step); slices.Contains(platforms, own) {
		platforms = []string{own}
	}
	where := strings.Join(platforms, ", ") + " on " + w.Fleet.Definition().Nodes[node].Name
	return &platformError{where: where, what: what, err: err}
}

// platformOf returns the platform that a step of a solve of several is for, by its
// name: "[linux/arm64 2/3] RUN make"; "[linux/amd64->arm64 2/3] RUN make" runs on one
// platform for another.
func platformOf(step string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(step, "["), " ")
	on, target, crosses := strings.Cut(name, "->")
	if system, _, ok := strings.Cut(on, "/"); crosses && ok {
		return system + "/" + target
	}
	return name
}
