package configmap

import (
	"strings"
	"testing"
	"time"
)

// TestOwnerAndIdleTimeout gives both to the group, and others to a node.
func TestOwnerAndIdleTimeout(t *testing.T) {
	d, problems := load(t, `
Name: a
Driver: kubernetes
Slipway: {owner: ci.shared, idleTimeout: 30m}
Nodes:
- Name: plain
- Name: own
  Slipway: {owner: team_b, idleTimeout: 0s}
`)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for i, want := range []Kubernetes{{Owner: "ci.shared", IdleTimeout: 30 * time.Minute}, {Owner: "team_b"}} {
		if k := d.Nodes[i].Kubernetes; k.Owner != want.Owner || k.IdleTimeout != want.IdleTimeout {
			t.Errorf("node %s: owner %q, idle timeout %s", d.Nodes[i].Name, k.Owner, k.IdleTimeout)
		}
	}
}

func TestOwnerAndIdleTimeoutMistakes(t *testing.T) {
	const head = "Name: a\nDriver: kubernetes\nNodes: [{Name: m, Slipway: "
	for _, test := range []struct{ name, text, want, hint string }{
		{"no owner", head + "{owner: ''}}]\n", "node m: Slipway.owner: must not be empty", "leave the key out"},
		{"no label", head + "{owner: a/b}}]\n", "node m: Slipway.owner: cannot be the value of a label", ""},
		{"too long", head + "{owner: " + strings.Repeat("a", 64) + "}}]\n", "node m: Slipway.owner: cannot be the value of a label", ""},
		{"no text", head + "{owner: 3}}]\n", "node m: Slipway.owner: must be a string, not 3", ""},
		{"negative", head + "{idleTimeout: -1s}}]\n", `node m: Slipway.idleTimeout: must be a duration, not "-1s"`, "write it like 30m"},
		{"no unit", head + "{idleTimeout: '30'}}]\n", `node m: Slipway.idleTimeout: must be a duration, not "30"`, "write it like 30m"},
		{"a number", head + "{idleTimeout: 30}}]\n", "node m: Slipway.idleTimeout: must be a string, not 30", ""},
	} {
		t.Run(test.name, func(t *testing.T) { checkProblems(t, test.text, []string{test.want}, test.hint) })
	}
	checkProblems(t, "Name: a\nDriver: remote\nSlipway: {owner: x, idleTimeout: 1m}\nNodes: [{Name: m, Endpoint: 'tcp://b:1234'}]\n", []string{
		"Slipway.owner: has no meaning with the driver remote", "Slipway.idleTimeout: has no meaning with the driver remote",
	}, "")
}
