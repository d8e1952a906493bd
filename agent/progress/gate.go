package progress

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// gate is what the status of a build passes before it is cut into lines,
// wrapped at the edge of a terminal or made base64 of. It takes secrets out
// and, but for a program that reads the status as data, what a terminal or a CI
// system would obey.
type gate struct {
	mask *Mask
	// data says that a program reads it.
	data bool
	// raw says that the output of steps is shown as it is, but for secrets.
	raw bool

	mu sync.Mutex
	// steps are the outputs of steps, which come in pieces.
	steps map[digest.Digest]*stepOutput
}

// lastStream is the number of a step's last stream, standard error. A builder
// that numbers more has them taken for that one.
const lastStream = 2

// stepOutput is what a step puts out. Its streams are shown as one text.
type stepOutput struct {
	streams map[int]*sanitize.Chain
	markers sanitize.Markers
}

// clean returns a status that may be shown: s itself when nothing can be wrong
// with it.
func (g *gate) clean(s *client.SolveStatus) *client.SolveStatus {
	if g.data && g.mask.needles() == nil {
		return s
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	out := *s
	out.Logs = nil
	out.Vertexes = make([]*client.Vertex, len(s.Vertexes))
	for i, v := range s.Vertexes {
		one := *v
		one.Name, one.Error = g.line(v.Name), g.line(v.Error)
		if group := v.ProgressGroup; group != nil {
			one.ProgressGroup = group.CloneVT()
			one.ProgressGroup.Name = g.line(group.Name)
		}
		out.Vertexes[i] = &one
	}
	out.Statuses = make([]*client.VertexStatus, len(s.Statuses))
	for i, v := range s.Statuses {
		one := *v
		one.ID, one.Name = g.line(v.ID), g.line(v.Name)
		out.Statuses[i] = &one
	}
	out.Warnings = make([]*client.VertexWarning, len(s.Warnings))
	for i, v := range s.Warnings {
		one := *v
		one.Short, one.URL = []byte(g.line(string(v.Short))), g.line(v.URL)
		one.Detail = make([][]byte, len(v.Detail))
		for j, line := range v.Detail {
			one.Detail[j] = []byte(g.line(string(line)))
		}
		out.Warnings[i] = &one
	}
	for _, l := range s.Logs {
		if data := g.output(l); len(data) > 0 {
			one := *l
			one.Data = data
			out.Logs = append(out.Logs, &one)
		}
	}
	for _, v := range s.Vertexes {
		if v.Completed != nil { // its last output may be in the same status
			out.Logs = append(out.Logs, g.rest(v.Digest, *v.Completed)...)
		}
	}
	return &out
}

// line is a value that is shown within a line.
func (g *gate) line(value string) string {
	value = g.mask.String(value)
	if g.data {
		return value
	}
	return sanitize.Line(value)
}

// shown says whether the output of steps is shown as it is, but for secrets.
func (g *gate) shown() bool { return g.data || g.raw }

// output is the part of a piece of output that can be shown.
func (g *gate) output(l *client.VertexLog) []byte {
	step := g.steps[l.Vertex]
	if step == nil {
		if g.steps == nil {
			g.steps = map[digest.Digest]*stepOutput{}
		}
		step = &stepOutput{streams: map[int]*sanitize.Chain{}, markers: sanitize.Markers{Prefixed: true}}
		g.steps[l.Vertex] = step
	}
	number := min(max(l.Stream, 0), lastStream)
	stream := step.streams[number]
	if stream == nil {
		stream = sanitize.NewChain(g.mask.Filter())
		if !g.shown() {
			stream = sanitize.NewChain(&sanitize.Controls{}, g.mask.Filter())
		}
		step.streams[number] = stream
	}
	data := stream.Append(nil, l.Data)
	if g.shown() || len(data) == 0 {
		return data
	}
	return step.markers.Append(make([]byte, 0, len(data)), data)
}

// rest is what is held back of a step that has ended.
func (g *gate) rest(vertex digest.Digest, ended time.Time) []*client.VertexLog {
	step := g.steps[vertex]
	if step == nil {
		return nil
	}
	delete(g.steps, vertex)
	var out []*client.VertexLog
	last := 0
	add := func(stream int, data []byte) {
		if len(data) > 0 {
			out = append(out, &client.VertexLog{Vertex: vertex, Stream: stream, Data: data, Timestamp: ended})
		}
	}
	for number, stream := range step.streams {
		last = max(last, number)
		data := stream.End(nil)
		if !g.shown() {
			data = step.markers.Append(nil, data)
		}
		add(number, data)
	}
	if !g.shown() {
		add(last, step.markers.End(nil))
	}
	return out
}

// end is what is held back of all steps, when there is no more.
func (g *gate) end(now time.Time) *client.SolveStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := &client.SolveStatus{}
	for vertex := range g.steps {
		out.Logs = append(out.Logs, g.rest(vertex, now)...)
	}
	slices.SortStableFunc(out.Logs, func(a, b *client.VertexLog) int { return cmp.Compare(a.Vertex, b.Vertex) })
	return out
}
