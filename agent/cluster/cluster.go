package cluster

import (
	"context"
	"net"
	"sync"

	"github.com/rs/zerolog"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/transport"
	"github.com/slipway-build/slipway/configmap"
)

// Access is what the user said about the cluster; all of it may be empty.
type Access struct {
	kube.Access
	// Transport pins the transport of all nodes; empty leaves it to the
	// definition.
	Transport configmap.Transport
	// Drifts, if set, is told of workloads that are used although they have
	// drifted; without it they are logged at once.
	Drifts *Drifts
}

// Client looks after workloads behind one API server under one identity. It is
// safe for concurrent use and remembers what it has learned of workloads and
// pods.
type Client struct {
	api    *kube.Client
	dialer *transport.Dialer
	log    zerolog.Logger

	mu sync.Mutex
	// outdated are pods of a template that this client has replaced, by
	// the workload's key.
	outdated map[string]map[types.UID]bool
	// members are the pods that checkOwner has found to be their workload's.
	members map[types.UID]bool
	// warned are the lines that were logged as warnings.
	warned map[string]bool
	// drifts is Access.Drifts.
	drifts *Drifts
}

// Connect finds an identity and prepares a client for it. definitionKubeconfig
// is what the definition's endpoint names and may be empty or point nowhere.
// No request is sent yet. Errors are of type *kube.Error.
func Connect(access Access, definitionKubeconfig string, log zerolog.Logger) (*Client, error) {
	api, err := kube.Connect(access.Access, definitionKubeconfig, log)
	if err != nil {
		return nil, err
	}
	return newClient(api, access, log), nil
}

func newClient(api *kube.Client, access Access, log zerolog.Logger) *Client {
	c := &Client{
		api: api, log: log, drifts: access.Drifts,
		outdated: make(map[string]map[types.UID]bool),
		members:  make(map[types.UID]bool),
		warned:   make(map[string]bool),
	}
	c.dialer = transport.New(api, access.Transport, access.Files, c.checkOwner, log)
	return c
}

// Identity says who the client is to the cluster.
func (c *Client) Identity() kube.Identity { return c.api.Identity() }

// Namespace is where node's workload lives.
func (c *Client) Namespace(node configmap.Node) string { return c.api.Namespace(node) }

// Dial connects to the buildkitd in pod, which is one of node's. It returns
// when buildkitd has sent its first bytes, or fails with the reasons. With the
// transport auto, report gets one line when the pod could be reached faster
// than it is, once for each workload. ctx bounds the dialling only; the
// connection lives until it is closed. Errors are of type *kube.Error but for
// those of ctx.
func (c *Client) Dial(ctx context.Context, node configmap.Node, pod kube.Pod, report func(string)) (net.Conn, error) {
	return c.dialer.Dial(ctx, node, pod, report)
}

// Reached is the transport that Dial takes first for pod after what it has
// learned of node's workload: right after a Dial, the one that was taken.
func (c *Client) Reached(node configmap.Node, pod kube.Pod) configmap.Transport {
	return c.dialer.Reached(node, pod)
}
