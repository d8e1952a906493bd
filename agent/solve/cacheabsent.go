package solve

import (
	"maps"
	"strings"

	"github.com/moby/buildkit/client"
)

// importVertex starts the name of the step in which BuildKit reads a cache.
const importVertex = "importing cache manifest from "

// derived names the steps of imports from registries that the user did not
// write, or wrote as the name that is split by platform. That one of them does
// not exist is to be expected.
func derived(r Request, imports []client.CacheOptionsEntry) map[string]bool {
	steps := map[string]bool{}
	count := 0
	for _, entry := range imports {
		if entry.Type == cacheRegistry {
			steps[importVertex+entry.Attrs["ref"]] = true
			count++
		}
	}
	given := 0
	for _, c := range r.CacheFrom {
		if c.Type == cacheRegistry {
			given++
		}
	}
	if count == given {
		return nil // nothing was split, every absence is news
	}
	return steps
}

// excuse takes the error from a step that found no cache where there need not
// be one, and says so in the step's log. A build that fails later would list
// the step among its errors. The status itself stays as it is.
func excuse(s *client.SolveStatus, absent map[string]bool) *client.SolveStatus {
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

// expectAbsent names the steps that may fail with "not found". It is called
// before the solve starts.
func (f *feed) expectAbsent(steps map[string]bool) { f.absent = maps.Clone(steps) }
