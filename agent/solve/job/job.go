// Package job says which part of a build one solve is. What solves, what
// receives results and what splits caches by platform go by it.
package job

import (
	"slices"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Job is one solve: the part of a build that one node does.
type Job struct {
	// Node is the name of the node, for messages.
	Node string
	// Platforms are what this solve builds; empty for the daemon's default.
	Platforms []ocispecs.Platform
	// Single says that the whole build has one platform, so its result needs
	// no division by platform.
	Single bool
	// Siblings are the platforms of each of the build's jobs, this one
	// included, in the order of the builder's nodes. More than one means that
	// outputs and caches of several nodes meet.
	Siblings [][]ocispecs.Platform
}

// Several reports whether the build has more jobs than this one.
func (j Job) Several() bool { return len(j.Siblings) > 1 }

// Place is the job's place among the jobs of its build, from 0.
func (j Job) Place() int {
	for i, sibling := range j.Siblings {
		if slices.EqualFunc(sibling, j.Platforms, func(a, b ocispecs.Platform) bool {
			return platforms.FormatAll(a) == platforms.FormatAll(b)
		}) {
			return i
		}
	}
	return 0
}
