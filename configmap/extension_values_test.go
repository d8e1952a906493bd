package configmap

import (
	"testing"
	"time"
)

func TestTerminationGrace(t *testing.T) {
	for _, test := range []struct {
		name, group, node string
		want              time.Duration
	}{
		{"default", "", "", time.Hour},
		{"of the group", "90m", "", 90 * time.Minute},
		{"of the node", "90m", "45s", 45 * time.Second},
		{"the least", "", "1s", time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, problems := load(t, "Name: a\nDriver: kubernetes\nSlipway: {terminationGrace: "+test.group+"}\nNodes: [{Name: m, Slipway: {terminationGrace: "+test.node+"}}]\n")
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if got := d.Nodes[0].Kubernetes.TerminationGrace; got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestTerminationGraceIsRefused(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"none", "0s", `node m: Slipway.terminationGrace: must be a duration of whole seconds, at least 1s, not "0s"`},
		{"negative", "-1h", `node m: Slipway.terminationGrace: must be a duration of whole seconds, at least 1s, not "-1h"`},
		{"a fraction", "1.5s", `node m: Slipway.terminationGrace: must be a duration of whole seconds, at least 1s, not "1.5s"`},
		{"no unit", `"60"`, `node m: Slipway.terminationGrace: must be a duration of whole seconds, at least 1s, not "60"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			checkProblems(t, "Name: a\nDriver: kubernetes\nNodes: [{Name: m, Slipway: {terminationGrace: "+test.value+"}}]\n", []string{test.want}, "write it like 1h or 90s")
		})
	}
	t.Run("a number", func(t *testing.T) {
		checkProblems(t, "Name: a\nDriver: kubernetes\nNodes: [{Name: m, Slipway: {terminationGrace: 60}}]\n", []string{"node m: Slipway.terminationGrace: must be a string, not 60"}, "")
	})
	t.Run("driver remote", func(t *testing.T) {
		checkProblems(t, "Name: a\nDriver: remote\nNodes: [{Name: m, Endpoint: 'tcp://host:1234', Slipway: {terminationGrace: 1h}}]\n", []string{"node m: Slipway.terminationGrace: has no meaning with the driver remote"}, "")
	})
}
