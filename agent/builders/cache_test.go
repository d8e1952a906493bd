package builders

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// TestCaches has two builders, one of whose nodes does not answer.
func TestCaches(t *testing.T) {
	d := configmap.Definition{Name: "far", Nodes: []configmap.Node{
		remote(t, "z", &fleettest.Daemon{Cache: []int64{1, 2}}),
		remote(t, "a", &fleettest.Daemon{Cache: []int64{3}}),
		{Name: "gone", Remote: &configmap.Remote{Address: "unix:///nowhere", Timeout: listTimeout}},
	}}
	caches, err := DiskUsage{Definition: d, Timeout: listTimeout, Log: zerolog.Nop()}.Run(t.Context())
	var list fault.List
	if !errors.As(err, &list) || len(list) != 1 || fault.ClassOf(err) != fault.ClassCluster {
		t.Errorf("error %v, want that of one node", err)
	}
	var got []string
	for _, c := range caches {
		got = append(got, fmt.Sprint(c.Node, c.Pod, len(c.Records)))
	}
	if want := []string{"a1", "z2"}; !slices.Equal(got, want) {
		t.Errorf("caches %q, want %q", got, want)
	}

	removed := map[string]int64{}
	err = Prune{Definition: d, What: buildkit.Prune{All: true}, Log: zerolog.Nop()}.Run(t.Context(), func(node, _ string, r buildkit.CacheRecord) { removed[node] += r.Size })
	if !errors.As(err, &list) || removed["a"] != 3 || removed["z"] != 3 {
		t.Errorf("removed %v, error %v", removed, err)
	}
}

func TestCachesOfNothing(t *testing.T) {
	d := configmap.Definition{Name: "none"}
	_, err := DiskUsage{Definition: d, Log: zerolog.Nop()}.Run(t.Context())
	if err == nil || err.Error() != `no pod of builder "none" runs` || !slices.Equal(fault.Hints(err), []string{"start it: slipway up none"}) || fault.ClassOf(err) != fault.ClassCluster {
		t.Errorf("du: %v, hints %q", err, fault.Hints(err))
	}
	if err := (Prune{Definition: d, Log: zerolog.Nop()}).Run(t.Context(), nil); fault.ClassOf(err) != fault.ClassCluster {
		t.Errorf("prune: %v", err)
	}
}
