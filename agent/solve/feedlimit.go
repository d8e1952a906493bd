package solve

import (
	"slices"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// What is shown of one solve at most. A large build has some hundred steps; one
// that reports ever more would fill the agent's memory, for a display keeps them
// all, and looks at all of them for each line that it prints.
const (
	maxSteps    = 10_000
	maxUpdates  = 1_000 // of one step
	maxParts    = 50_000
	maxWarnings = 1_000
	maxNames    = 32 << 20 // bytes of all names, errors and warnings
)

// feedLimit drops from the progress of a solve what is more than is shown. The
// zero feedLimit is ready to use.
type feedLimit struct {
	steps    map[digest.Digest]int // how often it was reported
	parts    map[stepPart]bool
	warnings int
	names    int
	told     bool
}

// stepPart is a part of a step that has a progress of its own.
type stepPart struct {
	step digest.Digest
	id   string
}

// apply drops from an increment what is too much, and says so once.
func (l *feedLimit) apply(s *client.SolveStatus) *client.SolveStatus {
	before := len(s.Vertexes) + len(s.Statuses) + len(s.Warnings)
	s.Vertexes = slices.DeleteFunc(s.Vertexes, func(v *client.Vertex) bool { return !l.step(v) })
	s.Statuses = slices.DeleteFunc(s.Statuses, func(v *client.VertexStatus) bool { return !l.part(stepPart{v.Vertex, v.ID}) })
	s.Warnings = slices.DeleteFunc(s.Warnings, func(w *client.VertexWarning) bool { return !l.warning(w) })
	// A display shows no output of a step that it does not know.
	s.Logs = slices.DeleteFunc(s.Logs, func(v *client.VertexLog) bool { return l.steps[v.Vertex] == 0 })
	if !l.told && len(s.Vertexes)+len(s.Statuses)+len(s.Warnings) < before {
		l.told = true
		now := time.Now()
		const name = "[slipway] the builder reports more steps than are shown: from here on some are left out"
		s.Vertexes = append(s.Vertexes, &client.Vertex{Digest: digest.FromString(name), Name: name, Started: &now, Completed: &now})
	}
	return s
}

// step reports whether a report of a step is shown.
func (l *feedLimit) step(v *client.Vertex) bool {
	size := len(v.Name) + len(v.Error)
	for _, in := range v.Inputs {
		size += len(in)
	}
	if v.ProgressGroup != nil {
		size += len(v.ProgressGroup.Id) + len(v.ProgressGroup.Name)
	}
	seen := l.steps[v.Digest]
	if seen == maxUpdates || seen == 0 && len(l.steps) == maxSteps || !l.name(size+len(v.Digest)) {
		return false
	}
	if l.steps == nil {
		l.steps = map[digest.Digest]int{}
	}
	l.steps[v.Digest]++
	return true
}

// part reports whether the progress of a part is shown.
func (l *feedLimit) part(p stepPart) bool {
	if l.parts[p] {
		return true
	}
	if l.steps[p.step] == 0 {
		return true // a display drops it by itself
	}
	if len(l.parts) == maxParts || !l.name(len(p.id)) {
		return false
	}
	if l.parts == nil {
		l.parts = map[stepPart]bool{}
	}
	l.parts[p] = true
	return true
}

// warning reports whether a warning is shown.
func (l *feedLimit) warning(w *client.VertexWarning) bool {
	size := len(w.Short) + len(w.URL) + len(w.Range)
	for _, line := range w.Detail {
		size += len(line)
	}
	if w.SourceInfo != nil {
		size += w.SourceInfo.SizeVT()
	}
	if l.warnings == maxWarnings || !l.name(size) {
		return false
	}
	l.warnings++
	return true
}

// name takes room for a name; false when there is none left.
func (l *feedLimit) name(size int) bool {
	if size > maxNames-l.names {
		return false
	}
	l.names += size
	return true
}
