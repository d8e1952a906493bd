package chart

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestOwner wants the name of an owner that no other release has and that fits
// into a label, however long the names are that it is made of.
func TestOwner(t *testing.T) {
	values := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(values, []byte("builders: {kube: {nodes: [{name: a}]}, own: {slipway: {owner: mine}, nodes: [{name: b}]}, far: {driver: remote, nodes: [{name: c, endpoint: 'tcp://b:1234'}]}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	label := regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)
	seen := map[string]bool{}
	p := programs(t)[0]
	for _, of := range [][2]string{
		{"ci", "slipway"}, {"ci", "slipway-2"}, {"ci-2", "slipway"},
		{strings.Repeat("n", 63), strings.Repeat("r", 53)}, {strings.Repeat("n", 63), strings.Repeat("r", 52)},
	} {
		out, err := p.Run(t.Context(), "template", of[1], chartDir, "--namespace", of[0], "--values", values, "--kube-version", kubeVersion, "--show-only", "templates/definitions.yaml")
		if err != nil {
			t.Fatal(err)
		}
		owners := regexp.MustCompile(`"owner": "(.*)"`).FindAllStringSubmatch(out, -1)
		if len(owners) != 2 || owners[1][1] != "mine" {
			t.Fatalf("%s: owners %q, want the release's and \"mine\", and none of the remote builder", of, owners)
		}
		owner := owners[0][1]
		if !label.MatchString(owner) || seen[owner] {
			t.Errorf("%s: the owner is %q", of, owner)
		}
		seen[owner] = true
	}
}
