package progress

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// The last lines of a step that are shown again when it fails, and their size in bytes.
const (
	maxTail      = 50
	maxTailBytes = 64 << 10
)

// maxTitle is how long the title of a step is, in characters; the name of a step holds
// all of its command.
const maxTitle = 160

// logStep is a step as the log has it: a vertex, or a group of vertices.
type logStep struct {
	number int
	name   string // clean
	// lane is what the step is for, such as linux/arm64; empty for what belongs to all.
	lane string
	// own says that it is one of Slipway's own, which is never in a section; muted that
	// it never ends.
	own, muted bool

	parts   map[digest.Digest]client.Vertex
	periods map[int64]period // by when they began
	// begun is when the first part has begun, by the agent's clock; it is zero as long
	// as there is nothing to show.
	begun time.Time
	ended bool
	// unsaid says that something has changed since the end was printed.
	unsaid bool
	// rests is since when it has ended, as long as that has not been printed.
	rests time.Time

	statuses map[string]bool // those that have been printed
	partial  []byte          // a line that has no end yet
	minor    []string        // parts that have ended; no section is worth them
	waiting  []string        // lines that are not printed yet
	size     int             // of waiting, in bytes
	since    time.Time       // how long the first of them has waited
	queued   bool
	sections int      // that were begun
	tail     []string // the last lines
	tailSize int
	printed  bool // the header of a log without sections

	// output is when the last line came, beat how long it may be ago.
	output time.Time
	beat   time.Duration
}

// period is when a part of a step ran, by the builder's clock.
type period struct {
	from time.Time
	to   *time.Time
}

// lanes matches the platform, or the node, in front of a step's name. A step that runs
// on one platform for another has both: "[linux/amd64->arm64 2/3] RUN make".
var (
	lanes    = regexp.MustCompile(`^\[([a-z]+(?:\([^)]*\))?/[a-z0-9./>-]+)[ \]]`)
	ownLanes = regexp.MustCompile(`^\[([^\] ]+)\] `)
)

// laneOf returns what a step is for, by its name.
func laneOf(name string, own bool) string {
	found := lanes.FindStringSubmatch(name)
	if own {
		found = ownLanes.FindStringSubmatch(name)
	}
	if found == nil {
		return ""
	}
	return found[1]
}

// title is the step in a line.
func (s *logStep) title() string { return fmt.Sprintf("#%d %s", s.number, shorten(s.name, maxTitle)) }

// prefix stands before each line of the step.
func (s *logStep) prefix(lane bool) string {
	if lane && s.lane != "" {
		return fmt.Sprintf("#%d [%s] ", s.number, s.lane)
	}
	return fmt.Sprintf("#%d ", s.number)
}

// update takes a vertex into account.
func (s *logStep) update(v *client.Vertex, now time.Time) {
	before, known := s.parts[v.Digest]
	if known && before.Started != nil && v.Started == nil { // it is announced once more
		return
	}
	s.parts[v.Digest] = *v
	if v.Started == nil {
		return
	}
	s.periods[v.Started.UnixNano()] = period{*v.Started, v.Completed}
	if s.begun.IsZero() && (v.ProgressGroup == nil || !v.ProgressGroup.Weak) {
		s.begun, s.output = now, now
	}
	// A step that ends twice has ended once, unless it was something else.
	if !known || before.Error != v.Error || before.Cached != v.Cached || (before.Completed == nil) != (v.Completed == nil) {
		s.unsaid = true
	}
	s.ended = true
	for _, p := range s.parts {
		s.ended = s.ended && (p.Started == nil || p.Completed != nil)
	}
}

// failure is why the step has failed; empty where it has not.
func (s *logStep) failure() string {
	first := ""
	for _, p := range s.parts {
		if p.Error != "" && (first == "" || isCancelled(first)) {
			first = p.Error
		}
	}
	return first
}

func isCancelled(failure string) bool { return strings.HasSuffix(failure, context.Canceled.Error()) }

// hasFailed reports whether the step has failed by itself.
func (s *logStep) hasFailed() bool { f := s.failure(); return f != "" && !isCancelled(f) }

// result says how the step has ended.
func (s *logStep) result() string {
	cached := true
	for _, p := range s.parts {
		cached = cached && p.Cached
	}
	switch failure := s.failure(); {
	case isCancelled(failure):
		return "CANCELED"
	case failure != "":
		return "ERROR: " + failure
	case cached:
		return "CACHED"
	}
	return fmt.Sprintf("DONE %.1fs", s.ran().Seconds())
}

// ran is how long the step ran: the time in which any of its parts did.
func (s *logStep) ran() time.Duration {
	all := slices.SortedFunc(maps.Values(s.periods), func(a, b period) int { return a.from.Compare(b.from) })
	var total time.Duration
	var covered time.Time // up to here
	for _, p := range all {
		if p.to == nil || !p.to.After(covered) {
			continue
		}
		if p.from.After(covered) {
			covered = p.from
		}
		total += p.to.Sub(covered)
		covered = *p.to
	}
	return total
}

// lines are the lines that a piece of output ends, each with the time since the step
// began.
func (s *logStep) lines(l *client.VertexLog) []string {
	var out []string
	for rest := l.Data; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if len(s.partial) == 0 {
			s.partial = append(s.partial, s.clock(l.Timestamp)...)
		}
		s.partial = append(s.partial, line...)
		if whole || len(s.partial) >= sanitize.MaxLine {
			out = append(out, string(s.partial))
			s.partial = s.partial[:0]
		}
		rest = after
	}
	return out
}

// last is the line that has no end.
func (s *logStep) last() []string {
	if len(s.partial) == 0 {
		return nil
	}
	line := string(s.partial)
	s.partial = s.partial[:0]
	return []string{line}
}

// clock is how long after the beginning of its step a line came, in seconds as
// BuildKit's log has it, and a space.
func (s *logStep) clock(at time.Time) string {
	var latest time.Time
	for _, p := range s.periods {
		if p.from.After(latest) {
			latest = p.from
		}
	}
	seconds := 0.0
	if !latest.IsZero() {
		seconds = at.Sub(latest).Seconds()
	}
	switch {
	case seconds < 10:
		return fmt.Sprintf("%.3f ", seconds)
	case seconds < 100:
		return fmt.Sprintf("%.2f ", seconds)
	}
	return fmt.Sprintf("%.1f ", seconds)
}

// statusLine is a part of a step that has ended.
func statusLine(s *client.VertexStatus) string {
	line := s.ID
	switch {
	case s.Total != 0:
		line += " " + units.HumanSize(float64(s.Current)) + " / " + units.HumanSize(float64(s.Total))
	case s.Current != 0:
		line += " " + units.HumanSize(float64(s.Current))
	}
	if s.Started != nil {
		if took := s.Completed.Sub(*s.Started).Seconds(); took > 0.01 {
			line += fmt.Sprintf(" %.1fs", took)
		}
	}
	return line + " done"
}

// remember keeps a line for when the step fails.
func (s *logStep) remember(line string) {
	s.tail = append(s.tail, line)
	s.tailSize += len(line)
	for len(s.tail) > maxTail || s.tailSize > maxTailBytes && len(s.tail) > 1 {
		s.tailSize -= len(s.tail[0])
		s.tail = s.tail[1:]
	}
}
