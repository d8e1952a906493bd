package agent

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// TestHeldJobs tests that each platform of a held image is exported where it is, by a job
// of its own.
func TestHeldJobs(t *testing.T) {
	amd64, arm64 := ocispecs.Platform{OS: "linux", Architecture: "amd64"}, ocispecs.Platform{OS: "linux", Architecture: "arm64"}
	d := configmap.Definition{Name: "kube", Nodes: []configmap.Node{{Name: "a"}, {Name: "b"}}}
	held := solve.HeldImage{Parts: []solve.HeldPart{{Platform: amd64, Node: "b", Pod: "b-1"}, {Platform: arm64, Node: "b", Pod: "b-1"}}}
	jobs, pods, err := heldJobs(d, held)
	if err != nil {
		t.Fatal(err)
	}
	want := []fleet.Job{{Node: 1, Platforms: []ocispecs.Platform{amd64}}, {Node: 1, Platforms: []ocispecs.Platform{arm64}}}
	if diff := cmp.Diff(want, jobs); diff != "" || pods[1] != "b-1" || len(pods) != 1 {
		t.Errorf("pods %v, (-want +got):\n%s", pods, diff)
	}
	held.Parts[1].Node = "gone"
	if _, _, err := heldJobs(d, held); err == nil || fault.ClassOf(err) != fault.ClassUsage || !strings.Contains(err.Error(), "builder kube has no node gone") {
		t.Errorf("%v", err)
	}
}
