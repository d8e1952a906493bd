package builders

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

func TestPlanOfARemoval(t *testing.T) {
	foreign := &kube.Error{Reason: kube.ReasonForeign}
	for _, tt := range []struct {
		name   string
		remove Remove
		builds int
		fail   map[string]error
		calls  []string
		err    string
		class  fault.Class
		hint   string
	}{
		{name: "idle", calls: []string{"plan n", "status", "dial a"}},
		{name: "with the claims", remove: Remove{Claims: true}, calls: []string{"plan n with claims", "status", "dial a"}},
		{name: "in use", builds: 2, calls: []string{"plan n", "status", "dial a"}, err: `builder "kube" is in use: 2 builds run on it`, class: fault.ClassCluster, hint: "--force"},
		{name: "by force", remove: Remove{Busy: true}, builds: 2, calls: []string{"plan n"}},
		{name: "it does not say", builds: -1, calls: []string{"plan n", "status", "dial a"}, err: `builder "kube" does not say whether builds run on it: node n: pod a: `, class: fault.ClassCluster, hint: "--force"},
		{name: "somebody else's", fail: map[string]error{"plan n": foreign}, calls: []string{"plan n"}, err: "node n: ", class: fault.ClassCluster},
		{name: "no answer", fail: map[string]error{"status": errors.New("no answer")}, calls: []string{"plan n", "status"}, err: `builder "kube" does not say whether builds run on it: node n: no answer`, class: fault.ClassCluster, hint: "--force"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{Active: tt.builds}})
			c.Fail = fails(tt.fail)
			c.Removal = cluster.Removal{Kept: []string{"the claim stays"}}
			remove := tt.remove
			remove.Definition = configmap.Definition{Name: "kube", Nodes: []configmap.Node{kubeNode("n", 1), {Name: "far", Remote: &configmap.Remote{Address: "unix:///nowhere"}}}}
			remove.Log = zerolog.Nop()
			plan, err := remove.plan(t.Context(), func(configmap.Node) (removed, error) { return c, nil })
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.err)) || fault.ClassOf(err) != tt.class {
				t.Errorf("error %v of class %d, want %q", err, fault.ClassOf(err), tt.err)
			}
			if !strings.Contains(strings.Join(fault.Hints(err), "\n"), tt.hint) {
				t.Errorf("hints %q", fault.Hints(err))
			}
			if !slices.Equal(c.Calls(), tt.calls) {
				t.Errorf("calls %q, want %q", c.Calls(), tt.calls)
			}
			if n := c.Open(); n != 0 {
				t.Errorf("%d connections are not closed", n)
			}
			if tt.err != "" {
				return
			}
			if !slices.Equal(plan.Kept(), []string{"the claim stays"}) || plan.Objects() != nil {
				t.Errorf("kept %q, to go %q", plan.Kept(), plan.Objects())
			}
			if err := plan.Run(t.Context(), func(object string) { t.Errorf("removed %s", object) }); err != nil {
				t.Error(err)
			}
		})
	}
}

// offering is a cluster that offers the roles to remove nodes.
type offering struct {
	*fleettest.Cluster
	offered []string
}

func (o *offering) OfferRemoval(err error, nodes []configmap.Node) error {
	for _, n := range nodes {
		o.offered = append(o.offered, n.Name)
	}
	return err
}

// TestARemovalOffersTheRolesOfAllNodes where the first is refused, of one cluster.
func TestARemovalOffersTheRolesOfAllNodes(t *testing.T) {
	c := &offering{Cluster: fleettest.NewCluster(t)}
	c.Fail = fails(map[string]error{"plan n": &kube.Error{Reason: kube.ReasonForbidden}})
	elsewhere := kubeNode("elsewhere", 1)
	elsewhere.Kubernetes.Kubeconfig = "another"
	remove := Remove{Log: zerolog.Nop(), Definition: configmap.Definition{Name: "kube", Nodes: []configmap.Node{
		kubeNode("n", 1), kubeNode("m", 1), elsewhere, {Name: "far", Remote: &configmap.Remote{Address: "unix:///nowhere"}},
	}}}
	if _, err := remove.plan(t.Context(), func(configmap.Node) (removed, error) { return c, nil }); !fleet.IsReason(err, kube.ReasonForbidden) {
		t.Errorf("error %v", err)
	}
	if !slices.Equal(c.offered, []string{"n", "m"}) {
		t.Errorf("offered for %q", c.offered)
	}
}
