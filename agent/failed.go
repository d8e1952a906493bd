package agent

import (
	"errors"
	"path/filepath"

	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/internal/fault"
)

// failed says why a build has failed, and where. dockerfile is the file on the agent,
// empty when it is none.
func failed(err error, dockerfile string) *event.Failed {
	f := &event.Failed{Class: failedClass(fault.ClassOf(err)), Error: err.Error(), Step: solve.FailedStep(err)}
	if f.Class == event.FailedBuild {
		f.Error = failureText(err)
	}
	name, start, end, ok := solve.FailedPlace(err)
	if !ok {
		return f
	}
	f.Place = &event.Place{Name: name, Start: start, End: end}
	if dockerfile != "" && name == filepath.Base(dockerfile) {
		f.Place.File = dockerfile
	}
	return f
}

// failureText is the message of a failed build. That of one of several platforms has
// the platform in front and the instruction in it already.
func failureText(err error) string {
	if located := (*platformError)(nil); errors.As(err, &located) {
		return located.Error()
	}
	return solve.Failure(err)
}

// failedClass is a class as events have it.
func failedClass(class fault.Class) event.FailedClass {
	switch class {
	case fault.ClassBuild:
		return event.FailedBuild
	case fault.ClassUsage:
		return event.FailedUsage
	case fault.ClassCluster:
		return event.FailedCluster
	case fault.ClassLost:
		return event.FailedLost
	case fault.ClassRegistry:
		return event.FailedRegistry
	case fault.ClassCancelled:
		return event.FailedCancelled
	}
	return event.FailedInternal
}
