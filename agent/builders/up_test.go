package builders

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// listTimeout is longer than anything here takes.
const listTimeout = 20 * time.Second

// kubeNode is a node of the driver kubernetes that wants so many pods.
func kubeNode(name string, replicas int32) configmap.Node {
	return configmap.Node{Name: name, Kubernetes: &configmap.Kubernetes{Replicas: replicas, LoadBalance: configmap.LoadBalanceSticky}}
}

// remote is a node of the driver remote whose daemon answers.
func remote(t *testing.T, name string, d *fleettest.Daemon) configmap.Node {
	return configmap.Node{Name: name, Remote: &configmap.Remote{Address: d.Listen(t), Timeout: listTimeout}}
}

// fails returns errors for calls by their names.
func fails(errs map[string]error) func(string, int) error {
	return func(call string, _ int) error { return errs[call] }
}

func TestUp(t *testing.T) {
	broken := errors.New("broken")
	rejected := &kube.Error{Reason: kube.ReasonDefinition}
	for _, tt := range []struct {
		name     string
		up       Up
		replicas int32
		fail     map[string]error
		calls    []string
		says     string
		err      string
		class    fault.Class
	}{
		{
			name: "ready", up: Up{MinReady: 1}, replicas: 1,
			calls: []string{"reconcile", "up", "dial a", "certify", "up to 1"},
			says:  "pod a: BuildKit v0.33.1 for linux/amd64, 1 of 1 pods ready",
		},
		{
			name: "more pods than run", up: Up{MinReady: 2}, replicas: 1, err: `--min-ready "2": node n is to have 1 pods and no more`, class: fault.ClassUsage,
		},
		{
			name: "not all pods come", up: Up{MinReady: 2}, replicas: 2, fail: map[string]error{"up to 2": broken},
			calls: []string{"reconcile", "up", "dial a", "certify", "up to 2"}, err: "node n: broken", class: fault.ClassCluster,
		},
		{
			name: "the API server rejects the definition", replicas: 1, fail: map[string]error{"reconcile": rejected},
			calls: []string{"reconcile"}, err: "node n: ", class: fault.ClassUsage,
		},
		{
			name: "certificates that nobody asked for", up: Up{MinReady: 1}, replicas: 1, fail: map[string]error{"certify": broken},
			calls: []string{"reconcile", "up", "dial a", "certify", "up to 1"}, says: "1 of 1 pods ready",
		},
		{
			name: "certificates that somebody asked for", up: Up{MinReady: 1, RenewCertificates: true}, replicas: 1, fail: map[string]error{"certify at once": broken},
			calls: []string{"reconcile", "up", "dial a", "certify at once"}, err: "node n: broken", class: fault.ClassCluster,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}})
			c.Fail = fails(tt.fail)
			var shown strings.Builder
			up := tt.up
			up.Definition = configmap.Definition{Name: "kube", Nodes: []configmap.Node{kubeNode("n", tt.replicas)}}
			up.Terminal, up.Mode, up.Log = progress.NewTerminal(&shown, nil), progress.Plain, zerolog.Nop()
			err := up.run(t.Context(), nil, func(configmap.Node) (started, error) { return c, nil })
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.err)) || fault.ClassOf(err) != tt.class {
				t.Errorf("error %v of class %d, want %q", err, fault.ClassOf(err), tt.err)
			}
			if !slices.Equal(c.Calls(), tt.calls) {
				t.Errorf("calls %q, want %q", c.Calls(), tt.calls)
			}
			if !strings.Contains(shown.String(), tt.says) {
				t.Errorf("it shows:\n%s\nand not %q", shown.String(), tt.says)
			}
			if n := c.Open(); n != 0 {
				t.Errorf("%d connections are not closed", n)
			}
		})
	}
}

// TestUpOfSeveralNodes ends with the reason of the node that fails.
func TestUpOfSeveralNodes(t *testing.T) {
	good := fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}})
	bad := fleettest.NewCluster(t)
	bad.Fail = fails(map[string]error{"up": errors.New("no room")})
	clusters := map[string]*fleettest.Cluster{"good": good, "bad": bad}
	var shown strings.Builder
	up := Up{
		Definition: configmap.Definition{Name: "kube", Nodes: []configmap.Node{kubeNode("good", 1), kubeNode("bad", 1), remote(t, "far", &fleettest.Daemon{})}},
		MinReady:   1, Terminal: progress.NewTerminal(&shown, nil), Mode: progress.Plain, Log: zerolog.Nop(),
	}
	err := up.run(t.Context(), nil, func(n configmap.Node) (started, error) { return clusters[n.Name], nil })
	if err == nil || err.Error() != "node bad: no room" || !strings.Contains(shown.String(), "no connection, the reason is below") {
		t.Errorf("error %v after:\n%s", err, shown.String())
	}
	if good.Open() != 0 {
		t.Errorf("%d connections are not closed", good.Open())
	}
}

// TestUpWarnsOfDriftBelowItsLog has a node that is left as it is.
func TestUpWarnsOfDriftBelowItsLog(t *testing.T) {
	c := fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}})
	var shown strings.Builder
	terminal := progress.NewTerminal(&shown, nil)
	var drifts cluster.Drifts
	drifts.Note("deployment n in namespace ci", "image: x")
	up := Up{Definition: configmap.Definition{Name: "kube", Nodes: []configmap.Node{kubeNode("n", 1)}}, Terminal: terminal, Mode: progress.Plain, Log: zerolog.New(terminal)}
	if err := up.run(t.Context(), &drifts, func(configmap.Node) (started, error) { return c, nil }); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(shown.String()), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, `{"level":"warn"`) || strings.Count(shown.String(), "is not as its definition says") != 1 {
		t.Errorf("the warning is not below the log of steps:\n%s", shown.String())
	}
}
