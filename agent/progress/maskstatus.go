package progress

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// statusMask takes secrets out of what is shown of a build, before it is cut
// into lines, wrapped at the edge of a terminal or made base64 of.
type statusMask struct {
	mask *Mask

	mu sync.Mutex
	// logs are the outputs of steps, which come in pieces. Only those are kept
	// of which something is held back.
	logs map[logKey]*stream
}

// logKey is one output of a step.
type logKey struct {
	vertex digest.Digest
	stream int
}

// clean returns a status without secrets: s itself when no secret is known.
func (c *statusMask) clean(s *client.SolveStatus) *client.SolveStatus {
	n := c.mask.needles()
	if n == nil {
		return s
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	text := func(s string) string { return string(n.replace([]byte(s))) }
	out := *s
	out.Logs = nil
	out.Vertexes = make([]*client.Vertex, len(s.Vertexes))
	for i, v := range s.Vertexes {
		one := *v
		one.Name, one.Error = text(v.Name), text(v.Error)
		out.Vertexes[i] = &one
	}
	out.Statuses = make([]*client.VertexStatus, len(s.Statuses))
	for i, v := range s.Statuses {
		one := *v
		one.ID, one.Name = text(v.ID), text(v.Name)
		out.Statuses[i] = &one
	}
	out.Warnings = make([]*client.VertexWarning, len(s.Warnings))
	for i, v := range s.Warnings {
		one := *v
		one.Short, one.URL = n.replace(bytes.Clone(v.Short)), text(v.URL)
		one.Detail = make([][]byte, len(v.Detail))
		for j, line := range v.Detail {
			one.Detail[j] = n.replace(bytes.Clone(line))
		}
		out.Warnings[i] = &one
	}
	for _, l := range s.Logs {
		if data := c.next(n, l); len(data) > 0 {
			one := *l
			one.Data = data
			out.Logs = append(out.Logs, &one)
		}
	}
	for _, v := range s.Vertexes {
		if v.Completed != nil { // its last output may be in the same status
			out.Logs = append(out.Logs, c.rest(n, v.Digest, *v.Completed)...)
		}
	}
	return &out
}

// next is the part of a piece of output that can be shown.
func (c *statusMask) next(n *needles, l *client.VertexLog) []byte {
	key := logKey{l.Vertex, l.Stream}
	text := c.logs[key]
	if text == nil {
		text = &stream{}
	}
	data := text.next(n, l.Data)
	if len(text.held) == 0 {
		delete(c.logs, key)
	} else {
		if c.logs == nil {
			c.logs = map[logKey]*stream{}
		}
		c.logs[key] = text
	}
	return data
}

// rest is what is held back of a step that has ended.
func (c *statusMask) rest(n *needles, vertex digest.Digest, ended time.Time) []*client.VertexLog {
	var out []*client.VertexLog
	for key, text := range c.logs {
		if key.vertex == vertex {
			out = append(out, &client.VertexLog{Vertex: key.vertex, Stream: key.stream, Data: text.rest(n), Timestamp: ended})
			delete(c.logs, key)
		}
	}
	return out
}

// end is what is held back of all steps, when there is no more.
func (c *statusMask) end(now time.Time) *client.SolveStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := &client.SolveStatus{}
	for key := range c.logs {
		out.Logs = append(out.Logs, c.rest(c.mask.needles(), key.vertex, now)...)
	}
	slices.SortFunc(out.Logs, func(a, b *client.VertexLog) int { return cmp.Compare(a.Vertex, b.Vertex) })
	return out
}
