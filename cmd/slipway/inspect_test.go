package main

import (
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/agent/builders"
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
		if err := printDetails(&out, b, configmap.Definition{}, at); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(strings.FieldsFunc(out.String(), func(r rune) bool { return r == ' ' }), " ")
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
