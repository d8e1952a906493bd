package progress

import (
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/identity"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// step is work that comes before a solve or beside it, such as waiting for a
// builder. It is shown like a step of the build, from its first line on: a
// step that has nothing to say is not shown.
type step struct {
	display *Display
	vertex  client.Vertex

	mu    sync.Mutex
	ended bool
}

// step returns a step of that name.
func (d *Display) step(name string) *step {
	s := &step{display: d, vertex: client.Vertex{
		Digest: digest.FromString(identity.NewID()),
		Name:   name,
	}}
	d.own.Store(s.vertex.Digest, true)
	return s
}

// say shows one line, without its line end. After done it does nothing.
func (s *step) say(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	now := time.Now()
	status := &client.SolveStatus{}
	if s.vertex.Started == nil {
		s.vertex.Started = &now
		status.Vertexes = []*client.Vertex{s.copy()}
	}
	status.Logs = []*client.VertexLog{{
		Vertex:    s.vertex.Digest,
		Stream:    2,
		Data:      []byte(sanitize.RedactURLs(strings.TrimRight(line, "\n")) + "\n"),
		Timestamp: now,
	}}
	s.display.send(status)
}

// done ends the step. A step that failed is shown even if it said nothing.
func (s *step) done(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended = true
	now := time.Now()
	if s.vertex.Started == nil {
		if err == nil {
			return
		}
		s.vertex.Started = &now
	}
	s.vertex.Completed = &now
	if err != nil {
		s.vertex.Error = err.Error()
	}
	s.display.send(&client.SolveStatus{Vertexes: []*client.Vertex{s.copy()}})
}

// copy is what goes to the display, which keeps the pointer it is given.
func (s *step) copy() *client.Vertex {
	v := s.vertex
	return &v
}
