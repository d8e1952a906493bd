package cache

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/solve/job"
)

func TestExcuse(t *testing.T) {
	now := time.Now()
	const absent = "failed to configure registry cache importer: h/a:x-linux-amd64: not found"
	expected := map[string]bool{importVertex + "h/a:x-linux-amd64": true}
	tests := []struct {
		name, vertex, failure string
		expected              map[string]bool
		want                  string
		logs                  int
	}{
		{"absent part", importVertex + "h/a:x-linux-amd64", absent, expected, "", 1},
		{"refused part", importVertex + "h/a:x-linux-amd64", "401 Unauthorized", expected, "401 Unauthorized", 0},
		{"another step", "[1/2] COPY", "/x: not found", expected, "/x: not found", 0},
		{"another cache", importVertex + "h/b", absent, expected, absent, 0},
		{"nothing expected", importVertex + "h/a:x-linux-amd64", absent, nil, absent, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := &client.Vertex{Name: tt.vertex, Error: tt.failure, Completed: &now}
			in := &client.SolveStatus{Vertexes: []*client.Vertex{{Name: "first"}, v}}
			out := Excuse(in, tt.expected)
			if got := out.Vertexes[1].Error; got != tt.want || len(out.Logs) != tt.logs {
				t.Errorf("error %q with %d log lines, want %q with %d", got, len(out.Logs), tt.want, tt.logs)
			}
			if v.Error != tt.failure || len(in.Logs) != 0 || in.Vertexes[1] != v {
				t.Error("the daemon's status was changed")
			}
		})
	}
}

func TestMayBeAbsent(t *testing.T) {
	ref := cache("registry", "ref", "a:x")
	several := job.Job{Platforms: plats("linux/amd64"), Siblings: [][]ocispecs.Platform{plats("linux/amd64"), plats("linux/arm64")}}
	set := Set{From: []Entry{ref, cache("gha")}}
	imports, _ := set.Options(several, false)
	want := map[string]bool{importVertex + "a:x": true, importVertex + "a:x-linux-amd64": true, importVertex + "a:x-linux-arm64": true}
	if diff := cmp.Diff(want, set.MayBeAbsent(imports)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	imports, _ = set.Options(job.Job{Platforms: plats("linux/amd64"), Single: true}, false)
	if got := set.MayBeAbsent(imports); len(got) > 0 {
		t.Errorf("one job: absence of %v is no news", got)
	}
}
