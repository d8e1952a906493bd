package agent

import (
	"strings"
	"testing"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/configmap"
)

// TestABuildWarnsOfDriftBelowItsLog has a builder that is used as it is.
func TestABuildWarnsOfDriftBelowItsLog(t *testing.T) {
	c := fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}})
	var shown strings.Builder
	b := buildIn(t, nil, &shown, "1")
	var drifts cluster.Drifts
	drifts.Note("deployment n in namespace ci", "image: x")
	definition := configmap.Definition{Name: "kube", Nodes: []configmap.Node{{Name: "n", Kubernetes: &configmap.Kubernetes{}, Platforms: []ocispecs.Platform{{OS: "linux", Architecture: "amd64"}}}}}
	b.Fleet = fleet.New(definition, &fleet.Connector{
		Client: func(configmap.Node) (fleet.Cluster, error) { return c, nil },
		Drifts: &drifts, Log: zerolog.New(b.Terminal),
	})
	defer b.Fleet.Close()
	if _, err := b.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(shown.String()), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, `{"level":"warn"`) || strings.Count(shown.String(), "is not as its definition says") != 1 {
		t.Errorf("the warning is not below the log of steps:\n%s", shown.String())
	}
}
