package solve

import (
	"fmt"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

func TestFeedLimit(t *testing.T) {
	step := func(name string) *client.Vertex { return &client.Vertex{Digest: digest.FromString(name), Name: name} }
	part := func(n int) *client.VertexStatus {
		return &client.VertexStatus{Vertex: step("a").Digest, ID: fmt.Sprint(n)}
	}
	for _, tt := range []struct {
		name string
		add  func(i int, s *client.SolveStatus)
		n    int
		want string // steps, parts, warnings and logs that are left
	}{
		{"a build", func(i int, s *client.SolveStatus) {
			s.Vertexes, s.Statuses = append(s.Vertexes, step("a")), append(s.Statuses, part(i))
			s.Logs = append(s.Logs, &client.VertexLog{Vertex: step("a").Digest})
			s.Warnings = append(s.Warnings, &client.VertexWarning{Short: []byte("w")})
		}, 900, "900 900 900 900"},
		{"steps", func(i int, s *client.SolveStatus) { s.Vertexes = append(s.Vertexes, step(fmt.Sprint(i))) }, maxSteps + 9, "10001 0 0 0"},
		{"updates", func(_ int, s *client.SolveStatus) { s.Vertexes = append(s.Vertexes, step("a")) }, maxUpdates + 9, "1001 0 0 0"},
		{"parts", func(i int, s *client.SolveStatus) {
			s.Vertexes, s.Statuses = []*client.Vertex{step("a")}, append(s.Statuses, part(i))
		}, maxParts + 9, "2 50000 0 0"},
		{"warnings", func(_ int, s *client.SolveStatus) { s.Warnings = append(s.Warnings, &client.VertexWarning{}) }, maxWarnings + 9, "1 0 1000 0"},
		{"names", func(i int, s *client.SolveStatus) {
			s.Vertexes = append(s.Vertexes, step(strings.Repeat(fmt.Sprint(i), maxNames/4)))
		}, 9, "4 0 0 0"},
		{"output of no step", func(_ int, s *client.SolveStatus) { s.Logs = append(s.Logs, &client.VertexLog{Vertex: "sha256:x"}) }, 9, "0 0 0 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &client.SolveStatus{}
			for i := range tt.n {
				tt.add(i, s)
			}
			l := &feedLimit{}
			s = l.apply(s)
			if got := fmt.Sprint(len(s.Vertexes), len(s.Statuses), len(s.Warnings), len(s.Logs)); got != tt.want {
				t.Errorf("%s are left, want %s", got, tt.want)
			}
		})
	}
}
