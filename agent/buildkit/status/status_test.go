package status

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// reports have every field of a report, and none, and what a builder sends that is
// not well.
func reports() map[string]*client.SolveStatus {
	now := time.Date(2026, 1, 2, 3, 4, 5, 678, time.FixedZone("", 3600))
	d := digest.FromString("x")
	return map[string]*client.SolveStatus{
		"nothing": {},
		"empty":   {Vertexes: []*client.Vertex{{}}, Statuses: []*client.VertexStatus{{}}, Logs: []*client.VertexLog{{}}, Warnings: []*client.VertexWarning{{}}},
		"all": {
			Vertexes: []*client.Vertex{{
				Digest: d, Inputs: []digest.Digest{"sha256:a", ""}, Name: "[1/2] RUN <x>", Started: &now, Completed: &now, Cached: true, Error: "exit code: 1",
				ProgressGroup: &pb.ProgressGroup{Id: "g", Name: "group", Weak: true},
			}, {Digest: "no digest"}},
			Statuses: []*client.VertexStatus{{ID: "extracting", Vertex: d, Name: "layer", Total: 7, Current: 3, Timestamp: now, Started: &now, Completed: &now}},
			Logs:     []*client.VertexLog{{Vertex: d, Stream: 2, Data: []byte("\xff\x00text"), Timestamp: now}, {Vertex: d, Data: []byte{}}},
			Warnings: []*client.VertexWarning{{
				Vertex: d, Level: 1, Short: []byte("short"), Detail: [][]byte{[]byte("a"), nil}, URL: "https://docs.example",
				SourceInfo: &pb.SourceInfo{
					Filename: "Dockerfile", Data: []byte("FROM x"), Language: "Dockerfile",
					Definition: &pb.Definition{
						Def:      [][]byte{{1, 2}, {}},
						Metadata: map[string]*pb.OpMetadata{d.String(): {Description: map[string]string{"k": "<v>"}, Caps: map[string]bool{"c": true}, ProgressGroup: &pb.ProgressGroup{Id: "g"}}},
						Source:   &pb.Source{Locations: map[string]*pb.Locations{"l": {Locations: []*pb.Location{{SourceIndex: 1, Ranges: []*pb.Range{{Start: &pb.Position{Line: 1}}}}}}}},
					},
				},
				Range: []*pb.Range{{Start: &pb.Position{Line: 3, Character: 4}, End: &pb.Position{Line: 5}}, {}, nil},
			}, {SourceInfo: &pb.SourceInfo{Definition: &pb.Definition{}}}},
		},
	}
}

// TestNothingIsLost has reports go through an event, and the event through JSON. What
// --progress=rawjson prints of them stays the same byte for byte.
func TestNothingIsLost(t *testing.T) {
	for name, s := range reports() {
		p := Progress(s)
		want, got := asJSON(t, s), asJSON(t, Of(p))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		sent := asJSON(t, p)
		if err := json.Unmarshal([]byte(sent), p); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, asJSON(t, Of(p))); diff != "" {
			t.Errorf("%s, by way of JSON (-want +got):\n%s", name, diff)
		}
		// Events have BuildKit's own keys, which readers of rawjson know.
		if diff := cmp.Diff(want, sent); diff != "" {
			t.Errorf("%s, the event itself (-want +got):\n%s", name, diff)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
