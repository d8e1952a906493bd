package agent

import (
	"errors"
	"path/filepath"

	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/internal/fault"
)

// dockerfile is where the Dockerfile of a build is. The zero dockerfile is one that is
// neither on the agent nor in a git repository.
type dockerfile struct {
	path string // absolute, on the agent
	git  *event.GitFile
}

// dockerfileOf returns where the Dockerfile of a plan is.
func dockerfileOf(plan *solve.Plan) dockerfile {
	file := dockerfile{path: plan.DockerfilePath()}
	if in, ok := plan.GitDockerfile(); ok {
		file.git = &event.GitFile{Repository: ci.Repository(in.Remote), Path: in.Path, Name: in.Name}
	}
	return file
}

// failed says why a build has failed, and where.
func failed(err error, file dockerfile) *event.Failed {
	f := &event.Failed{Class: failedClass(fault.ClassOf(err)), Error: err.Error(), Step: solve.FailedStep(err)}
	if f.Class == event.FailedBuild {
		f.Error = failureText(err)
	}
	name, start, end, ok := solve.FailedPlace(err)
	if !ok {
		return f
	}
	f.Place = &event.Place{Name: name, Start: start, End: end}
	switch {
	case file.path != "" && name == filepath.Base(file.path):
		f.Place.File = file.path
	case file.git != nil && name == file.git.Name:
		f.Place.Git = file.git
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
