package main

import (
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/cmd/slipway/detailview"
	"github.com/slipway-build/slipway/configmap"
)

// TestInspectShowsTheLastActivity where docker buildx inspect has it.
func TestInspectShowsTheLastActivity(t *testing.T) {
	at := time.Date(2026, 11, 28, 11, 0, 0, 0, time.FixedZone("", 3600))
	for want, b := range map[string]builders.Details{
		"Name: kube\nDriver: kubernetes\nLast Activity: 2026-11-28 10:00:00 +0000 UTC\n\nNodes:\n": {Name: "kube", Driver: "kubernetes", LastActivity: &at},
		"Name: kube\nDriver: kubernetes\n\nNodes:\n":                                               {Name: "kube", Driver: "kubernetes"},
	} {
		var out strings.Builder
		if err := detailview.Print(&out, b, configmap.Definition{}, at); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(strings.FieldsFunc(out.String(), func(r rune) bool { return r == ' ' }), " ")
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestInspectShowsSnippetsLast has what is to paste below all nodes, once.
func TestInspectShowsSnippetsLast(t *testing.T) {
	const snippet = "apply this:\n---\nkind: Role\nrules: []"
	node := func(name string) builders.NodeDetails {
		return builders.NodeDetails{NodeStatus: builders.NodeStatus{Name: name, Status: "failing", Hints: []string{snippet, "look at " + name}}}
	}
	var out strings.Builder
	b := builders.Details{Name: "kube", Driver: "kubernetes", Nodes: []builders.NodeDetails{node("a"), node("b")}}
	if err := detailview.Print(&out, b, configmap.Definition{Nodes: make([]configmap.Node, 2)}, time.Now()); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if !strings.HasSuffix(text, "\n\nHint: "+strings.ReplaceAll(snippet, "\n", "\n  ")+"\n") || strings.Count(text, "kind: Role") != 1 || strings.Count(text, "look at ") != 2 {
		t.Errorf("got:\n%s", text)
	}
}
