package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// TestExplainPending has hints that were followed: the definition has what they
// ask for, and the running pods do not.
func TestExplainPending(t *testing.T) {
	const (
		authority = "configmap b-config-certs[ca.pem]: only in the definition"
		image     = "spec.template.spec.containers[buildkitd].image: cluster has a, definition says b"
		memory    = "spec.template.spec.containers[buildkitd].resources.limits.memory: cluster has 1Gi, definition says 4Gi"
		label     = "metadata.labels.team: cluster has none, definition says ci"
		hash      = "spec hash: cluster has that of another definition, or of another version of slipway"
	)
	all := []string{authority, image, memory, label}
	trouble := func(reason kube.Reason) error {
		return fmt.Errorf("node n: %w", &kube.Error{Reason: reason, Message: "trouble", Advice: []string{"change the definition"}})
	}
	for _, tt := range []struct {
		name  string
		err   error
		lines []string
		// hinted is in the first hint, with no other line.
		hinted string
	}{
		{"an authority", &fault.BuilderFull{Err: errors.New("full")}, []string{label, authority}, authority},
		{"files that may not be read", &fault.BuilderFull{Err: errors.New("full")}, []string{hash}, hash},
		{"an image", trouble(kube.ReasonImage), all, image},
		{"resources", trouble(kube.ReasonOOMKilled), all, memory},
		{"all of the pod", trouble(kube.ReasonUnschedulable), all, image + "; " + memory},
		{"something else was changed", trouble(kube.ReasonImage), []string{label, authority}, ""},
		{"nothing is pending", trouble(kube.ReasonImage), nil, ""},
		{"not in the definition", trouble(kube.ReasonForbidden), all, ""},
		{"not of a cluster", errors.New("exit code 1"), all, ""},
	} {
		c := fleettest.NewCluster(t)
		c.Lines = tt.lines
		got := ExplainPending(t.Context(), c, kubeNode("n"), tt.err)
		if got.Error() != tt.err.Error() || !errors.Is(got, tt.err) {
			t.Errorf("%s: error %v", tt.name, got)
		}
		hints, before := fault.Hints(got), fault.Hints(tt.err)
		if tt.hinted == "" {
			if !slices.Equal(hints, before) {
				t.Errorf("%s: hints %q", tt.name, hints)
			}
			continue
		}
		want := "the definition of node n has changes that its running pods do not have: " + tt.hinted + "; bring them up to date first: slipway up"
		if !slices.Equal(hints, append([]string{want}, before...)) {
			t.Errorf("%s: hints %q, want first %q", tt.name, hints, want)
		}
	}

	c := fleettest.NewCluster(t)
	c.OldPods = []string{"old"}
	if hints := fault.Hints(ExplainPending(t.Context(), c, kubeNode("n"), trouble(kube.ReasonImage))); len(hints) != 2 || !strings.Contains(hints[0], "pod old is of an earlier definition") {
		t.Errorf("a rollout that is under way: %q", hints)
	}
	c.Fail = func(string, int) error { return errors.New("no answer") }
	if hints := fault.Hints(ExplainPending(t.Context(), c, kubeNode("n"), trouble(kube.ReasonImage))); len(hints) != 1 {
		t.Errorf("not known: %q", hints)
	}
	if remote := (configmap.Node{Name: "r", Remote: &configmap.Remote{}}); len(fault.Hints(ExplainPending(t.Context(), c, remote, trouble(kube.ReasonImage)))) != 1 {
		t.Error("a remote builder has no definition in a cluster")
	}
}

// TestConnectExplainsWhatIsPending has a builder that does not start for want of
// what its definition has by now.
func TestConnectExplainsWhatIsPending(t *testing.T) {
	c := fleettest.NewCluster(t, fleettest.Pod{Name: "a"})
	c.Lines = []string{"spec.template.spec.containers[buildkitd].image: cluster has a, definition says b"}
	c.Fail = func(call string, _ int) error {
		if call == "up" {
			return &kube.Error{Reason: kube.ReasonImage, Message: "cannot pull image"}
		}
		return nil
	}
	f := New(configmap.Definition{Nodes: []configmap.Node{kubeNode("n")}}, &Connector{Client: func(configmap.Node) (Cluster, error) { return c, nil }, Log: zerolog.Nop()})
	defer f.Close()
	_, err := f.View(event.Emitter{}, nil).Connect(t.Context(), 0)
	if hints := fault.Hints(err); len(hints) == 0 || !strings.Contains(hints[0], "slipway up") || fault.ClassOf(err) != fault.ClassCluster {
		t.Errorf("error %v, hints %q", err, hints)
	}
}
