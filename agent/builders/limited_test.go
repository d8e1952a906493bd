package builders

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// waiting is a cluster whose pods do not get ready: it notes how long it is
// to wait.
type waiting struct {
	*fleettest.Cluster
	given []time.Duration
}

func (w *waiting) Reconcile(_ context.Context, node configmap.Node, _ func(string)) error {
	w.given = append(w.given, node.Kubernetes.Timeout)
	return nil
}

func (w *waiting) Up(_ context.Context, node configmap.Node, _ func(string)) ([]kube.Pod, error) {
	w.given = append(w.given, node.Kubernetes.Timeout)
	return nil, &kube.Error{Reason: kube.ReasonTimeout, Message: "no pod became ready", Advice: []string{"raise the driver-opt"}}
}

// TestUpEndsInTime has a definition that allows for more time than the command,
// and one that allows for less.
func TestUpEndsInTime(t *testing.T) {
	for _, tt := range []struct {
		name             string
		timeout, defined time.Duration
		want             time.Duration
		hint             string
	}{
		{"no limit", 0, time.Hour, time.Hour, "raise the driver-opt"},
		{"less than the definition has", 90 * time.Second, time.Hour, 90 * time.Second, "raise --timeout, which is 1m30s"},
		{"more than the definition has", time.Hour, time.Minute, time.Minute, "raise the driver-opt"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &waiting{Cluster: fleettest.NewCluster(t)}
			node := kubeNode("n", 1)
			node.Kubernetes.Timeout = tt.defined
			up := Up{
				Definition: configmap.Definition{Name: "kube", Nodes: []configmap.Node{node}},
				MinReady:   1, Timeout: tt.timeout,
				Terminal: progress.NewTerminal(&strings.Builder{}, nil), Mode: progress.Plain, Log: zerolog.Nop(),
			}
			err := up.run(t.Context(), nil, func(configmap.Node) (started, error) { return c, nil })
			if known := (*kube.Error)(nil); !errors.As(err, &known) || known.Reason != kube.ReasonTimeout {
				t.Fatalf("error %v", err)
			}
			if hints := strings.Join(fault.Hints(err), "\n"); !strings.Contains(hints, tt.hint) {
				t.Errorf("hints %q, want %q", hints, tt.hint)
			}
			if len(c.given) != 2 || c.given[0] != tt.want || c.given[1] != tt.want {
				t.Errorf("it waits for %v, want %s", c.given, tt.want)
			}
			if node.Kubernetes.Timeout != tt.defined {
				t.Errorf("the definition has changed to %s", node.Kubernetes.Timeout)
			}
		})
	}
}
