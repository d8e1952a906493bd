package fleet

import (
	"context"
	"net"
	"sync"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/configmap"
)

// Clients are the Kubernetes clients of nodes: one for each identity, made when
// first needed. It may be used by several goroutines.
type Clients struct {
	Access cluster.Access
	// Events gets the requests to the API server and to builders as spans.
	Events event.Emitter
	Log    zerolog.Logger

	mu   sync.Mutex
	made map[string]*cluster.Client // by the definition's kubeconfig
	// drifts are those of all clients, for Fleet.WarnOfDrift.
	drifts cluster.Drifts
}

// Of returns the client of a node of the driver kubernetes.
func (c *Clients) Of(node configmap.Node) (*cluster.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kubeconfig := node.Kubernetes.Kubeconfig
	if known := c.made[kubeconfig]; known != nil {
		return known, nil
	}
	access := c.Access
	access.Observe = c.Events.Observe()
	access.Drifts = &c.drifts
	client, err := cluster.Connect(access, kubeconfig, c.Log)
	if err != nil {
		return nil, err
	}
	if c.made == nil {
		c.made = make(map[string]*cluster.Client)
	}
	c.made[kubeconfig] = client
	return client, nil
}

// Connector returns a connector with these clients.
func (c *Clients) Connector() *Connector {
	return &Connector{
		Client: func(node configmap.Node) (Cluster, error) { return c.Of(node) },
		Access: c.Access,
		Drifts: &c.drifts,
		Events: c.Events,
		Log:    c.Log,
	}
}

// Dialer dials the buildkitd in a pod of a node.
type Dialer interface {
	// Dial tells report, in a line, when a faster transport was blocked.
	Dial(ctx context.Context, node configmap.Node, pod kube.Pod, report func(string)) (net.Conn, error)
}

// Cluster is what a Connector takes of Kubernetes; *cluster.Client has it.
type Cluster interface {
	Dialer
	// Up makes sure that the workload of the node runs, and returns its pods that
	// are ready: at least one.
	Up(ctx context.Context, node configmap.Node, report func(string)) ([]kube.Pod, error)
	// Reconcile brings the workload up to date with its definition.
	Reconcile(ctx context.Context, node configmap.Node, report func(string)) error
	// Status looks at the workload and changes nothing.
	Status(ctx context.Context, node configmap.Node) (cluster.Status, error)
	// Reached says how a pod that was dialled is reached.
	Reached(node configmap.Node, pod kube.Pod) configmap.Transport
	Comparer
}
