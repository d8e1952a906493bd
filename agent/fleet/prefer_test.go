package fleet

import (
	"fmt"
	"testing"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/configmap"
)

// TestPreferredPod tests that what a pod holds is asked of that pod while it is ready,
// whichever one the affinity would choose, and of another one when it is gone.
func TestPreferredPod(t *testing.T) {
	definition := configmap.Definition{Name: "kube", Nodes: []configmap.Node{{Name: "n", Kubernetes: &configmap.Kubernetes{}}}}
	for _, tt := range []struct {
		prefer string
		want   int // different pods of twenty affinities
	}{{"b", 1}, {"gone", 3}, {"", 3}} {
		found := map[string]bool{}
		for i := range 20 {
			c := fleettest.NewCluster(t,
				fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}}, fleettest.Pod{Name: "b", Daemon: &fleettest.Daemon{}}, fleettest.Pod{Name: "c", Daemon: &fleettest.Daemon{}})
			nodes := New(definition, &Connector{Client: func(configmap.Node) (Cluster, error) { return c, nil }, Log: zerolog.Nop()})
			view := nodes.View(event.NewStream().Emitter(), func() string { return fmt.Sprint(i) })
			view.Prefer(map[int]string{0: tt.prefer})
			conn, err := view.Connect(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			found[conn.Pod] = true
			nodes.Close()
		}
		if len(found) != tt.want || tt.want == 1 && !found[tt.prefer] {
			t.Errorf("with pod %q preferred the builds are on %v", tt.prefer, found)
		}
	}
}
