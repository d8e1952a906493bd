package solve

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"

	"github.com/slipway-build/slipway/agent/event"
)

// consume is an event.Consumer.
type consume func(event.Event) error

func (c consume) Consume(e event.Event) error { return c(e) }

// TestFeedEmitsProgress has a solve report in three increments, and the agent after
// its end.
func TestFeedEmitsProgress(t *testing.T) {
	stream := event.NewStream()
	var warnings []*event.Warning
	n := 0
	sub := stream.Subscribe("test", consume(func(e event.Event) error {
		if e.Node != "n" {
			t.Errorf("the node is %q", e.Node)
		}
		n++
		warnings = append(warnings, e.Progress.Warnings...)
		return nil
	}))
	f := newFeed(stream.Emitter().Node("n"))
	in := f.start()
	in <- &client.SolveStatus{Warnings: []*client.VertexWarning{{Short: []byte("one"), Level: 1, URL: "u"}}}
	in <- &client.SolveStatus{}
	in <- &client.SolveStatus{Warnings: []*client.VertexWarning{{Short: []byte("two")}}}
	close(in)
	f.close()
	f.send(&client.SolveStatus{})
	if err := sub.End(); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(warnings)
	if err != nil {
		t.Fatal(err)
	}
	// The shape that buildx writes: bytes are base64.
	if diff := cmp.Diff(`[{"level":1,"short":"b25l","url":"u"},{"short":"dHdv"}]`, string(data)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if n != 3 {
		t.Errorf("%d increments were passed on, want 3", n)
	}
}
