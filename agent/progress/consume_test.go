package progress

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/buildkit/status"
	"github.com/slipway-build/slipway/agent/event"
)

// shows returns what has a display show the progress of a solve. A label, if not
// empty, is the node of several that it comes from.
func shows(t *testing.T, d *Display, label string) func(*client.SolveStatus) {
	t.Helper()
	consume := func(e event.Event) {
		t.Helper()
		if err := d.Consume(e); err != nil {
			t.Error(err)
		}
	}
	nodes := []event.Assignment{{Node: label}}
	if label != "" {
		nodes = append(nodes, event.Assignment{Node: "other"})
	}
	consume(event.Event{Assigned: &event.Assigned{Builder: "kube", Nodes: nodes}})
	return func(s *client.SolveStatus) {
		consume(event.Event{Node: label, Progress: status.Progress(s)})
	}
}

// shown is what a display prints of events in a mode, without times.
func shown(t *testing.T, mode Mode, events ...event.Event) string {
	t.Helper()
	var out bytes.Buffer
	d, err := Open(t.Context(), NewTerminal(&out, nil), mode, `building with "kube"`)
	if err != nil {
		t.Fatal(err)
	}
	stream := event.NewStream()
	sub := stream.Subscribe("display", d)
	for _, e := range events {
		stream.Emitter().Node(e.Node, e.Platforms...).Pod(e.Pod).Emit(e)
	}
	if err := sub.End(); err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`\d+\.\d+s?`).ReplaceAllString(out.String(), "T")
}

// TestWhatIsShownOfEvents has what comes before, beside and after solves.
func TestWhatIsShownOfEvents(t *testing.T) {
	wait := func(stage event.Stage, reason string) event.Event {
		return event.Event{Node: "n", Waiting: &event.Waiting{Stage: stage, Reason: reason}}
	}
	image := &ocispecs.Descriptor{Digest: digest.FromString("x")}
	assigned := event.Event{Assigned: &event.Assigned{Builder: "kube", Nodes: []event.Assignment{{Node: "n"}}}}
	below := `
built in 0s with builder "kube"
  PLATFORM  NODE  TIME  CACHED STEPS
            n     0s    -
  digest ` + image.Digest.String() + "\n"
	for _, tt := range []struct {
		name   string
		events []event.Event
		want   string
	}{
		{"a pod that is waited for", []event.Event{wait(event.StageStart, "pulls its image"), wait(event.StageStart, "starts"), {Node: "n", Pod: "p", Connected: &event.Connected{}}}, `
#1 [n] starting builder
#1 T pulls its image
#1 T starts
#1 DONE T
`},
		{"a pod that runs", []event.Event{{Node: "n", Pod: "p", Connected: &event.Connected{}}}, ""},
		{"no pod", []event.Event{{Node: "n", NodeFailed: &event.NodeFailed{Stage: event.StageStart, Error: "no room"}}}, `
#1 [n] starting builder
#1 ERROR: no connection, the reason is below
------
 > [n] starting builder:
------
`},
		{"a builder that is lost", []event.Event{{Node: "n", Pod: "p", BuilderLost: &event.BuilderLost{Error: "EOF", Try: 2, Tries: 3}}, {Node: "n", BuilderLost: &event.BuilderLost{Error: "EOF", Try: 3, Tries: 3}}}, `
#1 [n] builder lost
#1 T pod p: EOF; solving again (2 of 3)
#1 DONE T

#2 [n] builder lost
#2 T builder: EOF; solving again (3 of 3)
#2 DONE T
`},
		{"a node that gets ready", []event.Event{wait(event.StageReady, "1 of 2 pods are ready"), {Node: "n", Pod: "p", Platforms: []string{"linux/amd64", "linux/386"}, Ready: &event.Ready{BuildKit: "v1", Pods: 2, Wanted: 2}}}, `
#1 [n] ready
#1 T 1 of 2 pods are ready
#1 T pod p: BuildKit v1 for linux/amd64, linux/386, 2 of 2 pods ready
#1 DONE T
`},
		{"a remote node that is ready", []event.Event{{Node: "n", Ready: &event.Ready{BuildKit: "v1"}}}, `
#1 [n] ready
#1 T builder: BuildKit v1 for nothing known
#1 DONE T
`},
		{"two waits", []event.Event{wait(event.StageStart, "a"), {Node: "n", Connected: &event.Connected{}}, wait(event.StageStart, "b"), {Node: "n", Connected: &event.Connected{}}}, `
#1 [n] starting builder
#1 T a
#1 DONE T

#2 [n] starting builder
#2 T b
#2 DONE T
`},
		{"an image that is merged", []event.Event{assigned, {Publishing: &event.Publishing{Names: []string{"r/a:1", "r/b:1"}}}, {Published: &event.Published{Image: image, Merged: []string{"r/a:1", "r/b:1"}}}}, `
#1 [kube] publishing
#1 T merging what the nodes have pushed into r/a:1, r/b:1
#1 T r/a:1 is ` + image.Digest.String() + `
#1 T r/b:1 is ` + image.Digest.String() + `
#1 DONE T
` + below},
		{"an image that one node has pushed", []event.Event{assigned, {Publishing: &event.Publishing{}}, {Published: &event.Published{Image: image}}}, below},
		{"an image that is not merged", []event.Event{assigned, {Publishing: &event.Publishing{}}, {NotPublished: &event.NotPublished{Error: "denied"}}}, `
#1 [kube] publishing
#1 ERROR: not published, the reason is below
------
 > [kube] publishing:
------
`},
		{"what is not for people", []event.Event{{Span: &event.Span{What: "a request"}}, {SolveBegun: &event.SolveBegun{}}, {Solved: &event.Solved{}}, {Recorded: &event.Recorded{}}, {}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.TrimPrefix(shown(t, Plain, tt.events...), "#0 building with \"kube\"\n")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("shown (-want +got):\n%s", diff)
			}
		})
	}
}
