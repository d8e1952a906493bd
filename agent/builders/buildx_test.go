package builders

import (
	"testing"

	"github.com/slipway-build/slipway/configmap"
)

// TestBuildxStates compares the words of every state with those of docker buildx.
func TestBuildxStates(t *testing.T) {
	for state, want := range map[NodeState]string{
		StatusRunning:     "running",
		StatusStarting:    "starting",
		StatusStopped:     "stopped",
		StatusAbsent:      "inactive",
		StatusFailing:     "error",
		StatusForbidden:   "error",
		StatusUnreachable: "error",
	} {
		n := NodeStatus{Status: state}
		if want == "error" {
			n.Error = "why"
		}
		if got := n.buildx(configmap.Node{}, nil).Status; got != want {
			t.Errorf("%s: %q, want %q", state, got, want)
		}
	}
}
