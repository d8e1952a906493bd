package solve

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
)

func TestFeedKeepsWarnings(t *testing.T) {
	out := make(chan *client.SolveStatus)
	read := make(chan int)
	go func() {
		n := 0
		for range out {
			n++
		}
		read <- n
	}()
	f := newFeed(out)
	in := f.start()
	in <- &client.SolveStatus{Warnings: []*client.VertexWarning{{Short: []byte("one"), Level: 1, URL: "u"}}}
	in <- &client.SolveStatus{}
	in <- &client.SolveStatus{Warnings: []*client.VertexWarning{{Short: []byte("two")}}}
	close(in)
	data, err := json.Marshal(f.found())
	f.close()
	if err != nil {
		t.Fatal(err)
	}
	// The shape that buildx writes: bytes are base64.
	if diff := cmp.Diff(`[{"level":1,"short":"b25l","url":"u"},{"short":"dHdv"}]`, string(data)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if n := <-read; n != 3 {
		t.Errorf("%d increments were passed on, want 3", n)
	}
}
