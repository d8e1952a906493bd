package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDefinitions(t *testing.T) {
	files, err := definitions("warm-ns", "cold-ns", "buildkit:1", map[string][]byte{"ca.pem": {1}, "buildkitd.toml": []byte("[more]\n")})
	if err != nil {
		t.Fatal(err)
	}
	type definition struct {
		Name, Driver string
		Nodes        []definitionNode
	}
	got := map[string]definition{}
	names := map[string]bool{}
	for name, text := range files {
		var d definition
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatal(err)
		}
		got[name] = d
		for _, n := range d.Nodes {
			if names[n.Name] {
				t.Errorf("two nodes %s would share a workload", n.Name)
			}
			names[n.Name] = true
			if string(n.Files["buildkitd.toml"]) != buildkitdTOML+"[more]\n" || n.Files["ca.pem"] == nil || n.DriverOpts["image"] != "buildkit:1" {
				t.Errorf("%s: another daemon: %+v", n.Name, n)
			}
		}
		// The curve of definitions renames one by this very text.
		if name == kube && !strings.Contains(text, `"Name":"kube"`) {
			t.Errorf("definition %s: %s", name, text)
		}
	}
	sizes := map[string]int{}
	for name, d := range got {
		sizes[name] = len(d.Nodes)
		if d.Name != name || d.Driver != "kubernetes" {
			t.Errorf("definition %s: %+v", name, d)
		}
	}
	if diff := cmp.Diff(map[string]int{kube: 2, pool: 1, cold: 1, fleet: len(fleetPlatforms)}, sizes); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	if t.Failed() {
		return
	}
	if got[pool].Nodes[0].DriverOpts["replicas"] != "4" || got[cold].Nodes[0].DriverOpts["namespace"] != "cold-ns" || got[kube].Nodes[0].DriverOpts["namespace"] != "warm-ns" {
		t.Errorf("options: %v", got)
	}
	for _, n := range full.curveNodes {
		if n > len(fleetPlatforms) {
			t.Errorf("the fleet has no %d nodes", n)
		}
	}
}
