package cache

import (
	"strings"

	"github.com/moby/buildkit/client"
)

// importVertex starts the name of the step in which BuildKit reads a cache.
const importVertex = "importing cache manifest from "

// MayBeAbsent names the steps of imports from registries that the user did not
// write, or wrote as the name that is split by platform. That one of them does
// not exist is to be expected.
func (s Set) MayBeAbsent(imports []client.CacheOptionsEntry) map[string]bool {
	steps := map[string]bool{}
	count := 0
	for _, entry := range imports {
		if entry.Type == TypeRegistry {
			steps[importVertex+entry.Attrs["ref"]] = true
			count++
		}
	}
	given := 0
	for _, c := range s.From {
		if c.Type == TypeRegistry {
			given++
		}
	}
	if count == given {
		return nil // nothing was split, every absence is news
	}
	return steps
}

// Excuse takes the error from a step that found no cache where there need not
// be one, and says so in the step's log. A build that fails later would list
// the step among its errors. The status itself stays as it is.
func Excuse(s *client.SolveStatus, absent map[string]bool) *client.SolveStatus {
	if len(absent) == 0 {
		return s
	}
	var out *client.SolveStatus
	for i, v := range s.Vertexes {
		if !absent[v.Name] || !strings.HasSuffix(v.Error, ": not found") {
			continue
		}
		if out == nil {
			clone := *s
			out = &clone
			out.Vertexes = append([]*client.Vertex(nil), s.Vertexes...)
		}
		calm := *v
		calm.Error = ""
		out.Vertexes[i] = &calm
		if v.Completed != nil {
			out.Logs = append(append([]*client.VertexLog(nil), out.Logs...), &client.VertexLog{
				Vertex: v.Digest, Stream: 1, Timestamp: *v.Completed, Data: []byte("there is none\n"),
			})
		}
	}
	if out == nil {
		return s
	}
	return out
}
