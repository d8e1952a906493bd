package progress

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/event"
)

// vertex is a step that has ended.
func vertex(node, name string, cached bool) event.Event {
	now := time.Now()
	return event.Event{Node: node, Progress: &event.Progress{Vertexes: []*event.Vertex{{
		Digest: digest.FromString(name).String(), Name: name, Started: &now, Completed: &now, Cached: cached,
	}}}}
}

// solved is a solve that took so long.
func solved(node string, took time.Duration) event.Event {
	now := time.Now()
	return event.Event{Node: node, Solved: &event.Solved{Started: now.Add(-took), Completed: now}}
}

// summarized is what is printed below a build of these events that takes 12.34 s.
func summarized(events ...event.Event) string {
	s := &summary{}
	began := time.Now()
	for i, e := range events {
		e.Time = began
		if i == len(events)-1 {
			e.Time = began.Add(12340 * time.Millisecond)
		}
		s.note(e)
	}
	return s.text()
}

func TestSummary(t *testing.T) {
	assigned := func(nodes ...string) event.Event {
		a := &event.Assigned{Builder: "kube"}
		for _, n := range nodes {
			node, platforms, _ := strings.Cut(n, " ")
			a.Nodes = append(a.Nodes, event.Assignment{Node: node, Platforms: strings.Fields(platforms)})
		}
		return event.Event{Assigned: a}
	}
	begun := func(node string) event.Event { return event.Event{Node: node, SolveBegun: &event.SolveBegun{}} }
	published := func(image string, outputs ...event.Output) event.Event {
		p := &event.Published{Outputs: outputs, Names: []string{"registry.example/named/by:frontend"}}
		if image != "" {
			p.Image = &ocispecs.Descriptor{Digest: digest.FromString(image)}
		}
		return event.Event{Published: p}
	}
	one := []event.Event{assigned("n linux/amd64"), begun("n"), vertex("n", "[1/2] FROM x", true), vertex("n", "[2/2] RUN x", true), solved("n", time.Second)}
	const head = `
built in 12.3s with builder "kube"
  PLATFORM     NODE  TIME  CACHED STEPS
  linux/amd64  n     1s    1 of 1
`
	var many []string
	for i := range 12 {
		many = append(many, fmt.Sprintf("registry.example/a:%d", i))
	}
	for _, tt := range []struct {
		name   string
		events []event.Event
		want   string
	}{
		{"two nodes, one of which has lost its builder", []event.Event{
			{Node: "builder-amd64", Pod: "p", Connected: &event.Connected{BuildsFor: []string{"linux/amd64"}}},
			assigned("builder-amd64 linux/amd64", "builder-arm64 linux/arm64"),
			begun("builder-arm64"), vertex("builder-arm64", "[2/9] COPY of a builder that was lost", true),
			begun("builder-amd64"), begun("builder-arm64"),
			vertex("builder-amd64", "[internal] load build definition from Dockerfile", false),
			vertex("builder-amd64", "[1/3] FROM docker.io/library/alpine", true),
			vertex("builder-amd64", "[2/3] COPY . .", true), vertex("builder-amd64", "[3/3] RUN make", false),
			vertex("builder-arm64", "[build 2/3] COPY . .", true), vertex("builder-arm64", "[build 3/3] RUN make", true),
			vertex("builder-arm64", "exporting to image", false),
			solved("builder-arm64", 3140*time.Millisecond), solved("builder-amd64", 72*time.Second),
			published("x", event.Output{Type: "image", Pushed: true, Names: []string{"registry.example/team/app:1", "registry.example/team/app:latest"}}),
		}, `
built in 12.3s with builder "kube"
  PLATFORM     NODE           TIME   CACHED STEPS
  linux/amd64  builder-amd64  1m12s  1 of 2
  linux/arm64  builder-arm64  3.1s   2 of 2
  pushed registry.example/team/app:1
  pushed registry.example/team/app:latest
  digest ` + digest.FromString("x").String() + "\n"},
		{"several platforms on one node", []event.Event{
			assigned("n linux/amd64 linux/386"), begun("n"), vertex("n", "[linux/amd64 2/2] RUN x", true), vertex("n", "[linux/386 build 2/2] RUN x", false), solved("n", time.Second),
			published(""),
		}, `
built in 12.3s with builder "kube"
  PLATFORM               NODE  TIME  CACHED STEPS
  linux/amd64,linux/386  n     1s    1 of 2
`},
		{"more platforms than fit into a line", []event.Event{
			assigned("builder-of-both-architectures linux/amd64 linux/riscv64 linux/arm/v7 linux/386 linux/mips64le", "n linux/arm64"), solved("builder-of-both-architectures", 61*time.Minute), solved("n", time.Second),
			published(""),
		}, `
built in 12.3s with builder "kube"
  PLATFORM                 NODE                      TIME    CACHED STEPS
  linux/amd64,             builder-of...chitectures  1h1m0s  -
  linux/riscv64,
  linux/arm/v7,linux/386,
  linux/mips64le
  linux/arm64              n                         1s      -
`},
		{"the default platform", []event.Event{
			{Node: "n", Connected: &event.Connected{BuildsFor: []string{"linux/amd64", "linux/386"}}}, assigned("n"), begun("n"), vertex("n", "[2/2] RUN x", true), solved("n", time.Second), published(""),
		}, head},
		{"an image that the frontend names", append(one[:5:5], published("x", event.Output{Type: "image", Pushed: true})), head + "  pushed registry.example/named/by:frontend\n  digest " + digest.FromString("x").String() + "\n"},
		{"many names", append(one[:5:5], published("", event.Output{Type: "image", Pushed: true, Names: many})), head +
			"  pushed registry.example/a:" + strings.Join([]string{"0", "1", "2", "3", "4", "5", "6", "7"}, "\n  pushed registry.example/a:") + "\n         and 4 more\n"},
		{"outputs", append(one[:5:5], published("",
			event.Output{Type: "local", Dest: "out", Files: 12, Bytes: 1200000}, event.Output{Type: "local", Dest: "one", Files: 1, Bytes: 3}, event.Output{Type: "local", Dest: "none"},
			event.Output{Type: "tar", Dest: "out.tar", Bytes: 4096}, event.Output{Type: "oci", Bytes: 5}, event.Output{Type: "docker", Dest: "-", Bytes: 6},
			event.Output{Type: "oci", Dest: "layout"},
			event.Output{Type: "docker", Loaded: true, Names: []string{"docker.io/library/app:1"}}, event.Output{Type: "image", Names: []string{"docker.io/library/app:2"}},
		)), head + `  files  out (12 files, 1.2MB)
  files  one (1 file, 3B)
  files  none
  file   out.tar (4.096kB)
  file   standard output (5B)
  file   standard output (6B)
  files  layout
  loaded docker.io/library/app:1
  image  docker.io/library/app:2 (on the builder)
`},
		{"what has no instructions", append([]event.Event{assigned("n linux/amd64"), begun("n"), solved("n", 0)}, published("")), `
built in 12.3s with builder "kube"
  PLATFORM     NODE  TIME  CACHED STEPS
  linux/amd64  n     0s    -
`},
		{"a build that fails", one, ""},
		{"no build", []event.Event{{Node: "n", Ready: &event.Ready{}}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, summarized(tt.events...)); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSummaryFitsIntoATerminal has names as they come in large clusters.
func TestSummaryFitsIntoATerminal(t *testing.T) {
	long := "builder-of-the-platform-team-for-large-builds-"
	text := summarized(
		event.Event{Assigned: &event.Assigned{Builder: "kube", Nodes: []event.Assignment{
			{Node: long + "amd64", Platforms: []string{"linux/amd64", "linux/amd64/v2", "linux/amd64/v3", "linux/386"}},
			{Node: long + "arm64", Platforms: []string{"linux/arm64"}},
		}}},
		event.Event{Node: long + "arm64", Solved: &event.Solved{Completed: time.Time{}.Add(83*time.Minute + 1234*time.Millisecond)}},
		event.Event{Published: &event.Published{
			Image: &ocispecs.Descriptor{Digest: digest.FromString("x")}, Outputs: []event.Output{{Type: "image", Pushed: true, Names: []string{"registry.example/a:1"}}},
		}},
	)
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{"uilds-amd64", "uilds-arm64", "...", "1h23m1.2s"} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
}

// TestSummaryIsBelowTheLog has the summary in the modes for people only, and after the
// linter's warnings.
func TestSummaryIsBelowTheLog(t *testing.T) {
	events := []event.Event{
		{Assigned: &event.Assigned{Builder: "kube", Nodes: []event.Assignment{{Node: "n", Platforms: []string{"linux/amd64"}}}}},
		{Node: "n", SolveBegun: &event.SolveBegun{}},
		vertex("n", "[2/2] RUN x", true),
		{Node: "n", Progress: &event.Progress{Warnings: []*event.Warning{{Short: []byte("JSONArgs: x")}}}},
		solved("n", time.Second),
		{Publishing: &event.Publishing{}},
		{Published: &event.Published{Outputs: []event.Output{{Type: "local", Dest: "::error::s3cret-of-ci", Files: 1, Bytes: 3}}}},
	}
	for _, mode := range modes {
		if mode.mode == TTY {
			continue
		}
		text := shown(t, mode.mode, events...)
		forPeople := mode.mode == Auto || mode.mode == Plain
		if got := strings.Contains(text, `with builder "kube"`); got != forPeople {
			t.Errorf("%s: %t:\n%s", mode.mode, got, text)
		}
		places := []int{strings.Index(text, "RUN x"), strings.Index(text, "JSONArgs"), strings.Index(text, "built in")}
		if forPeople && !slices.IsSorted(places) {
			t.Errorf("%s: the order is wrong:\n%s", mode.mode, text)
		}
	}
}
