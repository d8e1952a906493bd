package builders

import (
	"context"
	"errors"
	"net"
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

// silent is a cluster whose pod is ready and does not answer: dialling takes until
// its context ends, or leads to a connection over which nothing comes.
type silent struct {
	*fleettest.Cluster
	connects bool
	dials    int
}

func (s *silent) Dial(ctx context.Context, _ configmap.Node, _ kube.Pod, _ func(string)) (net.Conn, error) {
	s.dials++
	if !s.connects {
		<-ctx.Done()
		return nil, ctx.Err() // as net.Dialer does, without the cause
	}
	near, _ := net.Pipe()
	return near, nil
}

// TestUpConnectsInTime has builders that do not answer.
func TestUpConnectsInTime(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes connections, and nobody answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	far := configmap.Node{Name: "n", Remote: &configmap.Remote{Address: "tcp://" + listener.Addr().String(), Timeout: time.Hour}}
	for _, tt := range []struct {
		name     string
		node     configmap.Node
		connects bool
		dials    int
	}{
		{"dialling", kubeNode("n", 1), false, 1},
		{"answer", kubeNode("n", 1), true, 1},
		{"remote", far, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &silent{Cluster: fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}}), connects: tt.connects}
			up := Up{
				Definition: configmap.Definition{Name: "kube", Nodes: []configmap.Node{tt.node}},
				MinReady:   1, Timeout: 200 * time.Millisecond,
				Terminal: progress.NewTerminal(&strings.Builder{}, nil), Mode: progress.Plain, Log: zerolog.Nop(),
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err := up.run(ctx, nil, func(configmap.Node) (started, error) { return c, nil })
			if ctx.Err() != nil {
				t.Fatalf("it waits beyond --timeout: %v", err)
			}
			if err == nil || !strings.Contains(err.Error(), "node n: connect to") || !strings.Contains(err.Error(), "no answer within --timeout 200ms") || fault.ClassOf(err) != fault.ClassCluster {
				t.Errorf("error %v of class %d", err, fault.ClassOf(err))
			}
			if hints := strings.Join(fault.Hints(err), "\n"); !strings.Contains(hints, "raise --timeout") {
				t.Errorf("hints %q", hints)
			}
			if c.dials != tt.dials {
				t.Errorf("%d dials, want %d", c.dials, tt.dials)
			}
		})
	}
}
