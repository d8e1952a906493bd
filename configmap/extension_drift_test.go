package configmap

import (
	"fmt"
	"testing"
)

// TestDriftIsOfTheNodeTheGroupOrTheCommand also holds that the definition that
// was read stays as it is.
func TestDriftIsOfTheNodeTheGroupOrTheCommand(t *testing.T) {
	grouped, problems := load(t, "Name: a\nDriver: kubernetes\nSlipway: {drift: fail}\nNodes: [{Name: m}, {Name: o, Slipway: {drift: ignore}}]\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	plain, problems := load(t, "Name: a\nDriver: kubernetes\nNodes: [{Name: m}, {Name: o, Slipway: {drift: apply}}]\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, tt := range []struct {
		definition       Definition
		chosen, standard Drift
		want             string
	}{
		{grouped, "", DriftWarn, "[fail ignore]"},
		{grouped, DriftApply, DriftWarn, "[apply apply]"},
		{plain, "", DriftWarn, "[warn apply]"},
		{plain, DriftIgnore, DriftApply, "[ignore ignore]"},
	} {
		var got []Drift
		for _, n := range tt.definition.WithDrift(tt.chosen, tt.standard).Nodes {
			got = append(got, n.Kubernetes.Drift)
		}
		if fmt.Sprint(got) != tt.want {
			t.Errorf("chosen %q, standard %q: %s, want %s", tt.chosen, tt.standard, got, tt.want)
		}
	}
	if got := plain.Nodes[0].Kubernetes.Drift; got != "" {
		t.Errorf("the definition that was read has changed: %q", got)
	}
	// The driver remote has no workload.
	const remote = "Name: a\nDriver: remote\nNodes: [{Name: m, Endpoint: 'tcp://h:1'%s}]\n"
	checkProblems(t, fmt.Sprintf(remote, ", Slipway: {drift: warn}"), []string{"node m: Slipway.drift: has no meaning with the driver remote"}, "")
	far, _ := load(t, fmt.Sprintf(remote, ""))
	if n := far.WithDrift(DriftApply, DriftApply).Nodes[0]; n.Kubernetes != nil {
		t.Errorf("a remote node has %+v", n.Kubernetes)
	}
}
