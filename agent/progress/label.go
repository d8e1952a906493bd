package progress

import (
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// relabel returns a status whose vertices bear the label of a node in their names and
// have digests of their own. The same instruction has the same digest on every
// node, and a display that is told twice of one digest mixes up the two.
func relabel(s *client.SolveStatus, node string, label func(name string) string) *client.SolveStatus {
	own := func(d digest.Digest) digest.Digest {
		if d == "" {
			return ""
		}
		return digest.FromString(node + "\x00" + d.String())
	}
	out := *s
	out.Vertexes = make([]*client.Vertex, len(s.Vertexes))
	for i, v := range s.Vertexes {
		c := *v
		c.Digest = own(v.Digest)
		c.Inputs = make([]digest.Digest, len(v.Inputs))
		for j, in := range v.Inputs {
			c.Inputs[j] = own(in)
		}
		c.Name = label(v.Name)
		if v.ProgressGroup != nil {
			g := v.ProgressGroup.CloneVT()
			g.Id = node + " " + g.Id
			g.Name = label(g.Name)
			c.ProgressGroup = g
		}
		out.Vertexes[i] = &c
	}
	out.Statuses = make([]*client.VertexStatus, len(s.Statuses))
	for i, v := range s.Statuses {
		c := *v
		c.Vertex = own(v.Vertex)
		out.Statuses[i] = &c
	}
	out.Logs = make([]*client.VertexLog, len(s.Logs))
	for i, v := range s.Logs {
		c := *v
		c.Vertex = own(v.Vertex)
		out.Logs[i] = &c
	}
	out.Warnings = make([]*client.VertexWarning, len(s.Warnings))
	for i, v := range s.Warnings {
		c := *v
		c.Vertex = own(v.Vertex)
		out.Warnings[i] = &c
	}
	return &out
}

// prefix puts the label where docker buildx puts a node's name:
// "[2/3] RUN x" becomes "[label 2/3] RUN x".
func prefix(name, label string) string {
	if rest, ok := strings.CutPrefix(name, "["); ok {
		return "[" + label + " " + rest
	}
	return "[" + label + "] " + name
}
