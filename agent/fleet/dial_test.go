package fleet

import (
	"errors"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/configmap"
)

// TestDialNode takes the next pod where one does not answer, and leaves no
// connection but the one that it returns.
func TestDialNode(t *testing.T) {
	c := fleettest.NewCluster(t,
		fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}},
		fleettest.Pod{Name: "b", Daemon: &fleettest.Daemon{}},
	)
	var failed string // the first pod that is dialled
	c.Fail = func(call string, _ int) error {
		if failed == "" && (call == "dial a" || call == "dial b") {
			failed = call
		}
		if call == failed {
			return errors.New("gone")
		}
		return nil
	}
	connector := &Connector{Client: func(configmap.Node) (Cluster, error) { return c, nil }, Log: zerolog.Nop()}
	node := configmap.Node{Name: "n", Kubernetes: &configmap.Kubernetes{}}
	conn, err := connector.DialNode(t.Context(), node, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if c.Open() != 1 {
		t.Errorf("%d connections are open, want one", c.Open())
	}
	_ = conn.Close()
	dials := slices.DeleteFunc(c.Calls(), func(call string) bool { return call == "up" })
	if len(dials) != 3 || dials[0] != failed || dials[1] == failed || dials[1] != dials[2] {
		t.Errorf("dialled %q, of which %q fails", dials, failed)
	}

	c.Fail = func(call string, _ int) error {
		if call == "up" {
			return nil
		}
		return errors.New("gone")
	}
	if _, err := connector.DialNode(t.Context(), node, func(string) {}); err == nil || c.Open() != 0 {
		t.Errorf("without a pod that answers: %v, %d connections are open", err, c.Open())
	}
}
