package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
)

// Dialled is a connection to a buildkitd over which nothing was said yet.
type Dialled struct {
	net.Conn
	// Pod is the name of the pod, empty with the remote driver.
	Pod string
	// Transport is how the pod is reached; empty with the remote driver.
	Transport configmap.Transport
	// Other says that it is not the pod that the affinity prefers, which did not answer or is busy.
	Other bool
}

// DialNode makes sure that the node runs and returns a connection to the
// buildkitd of one of its pods, over which nothing was said yet. The daemon has
// answered over another connection just before. affinity chooses the pod as for
// Connect, and how busy pods are where it is not nil.
func (c *Connector) DialNode(ctx context.Context, node configmap.Node, affinity func() string, report func(string)) (Dialled, error) {
	if node.Remote != nil {
		conn, err := c.dialRemote(ctx, node, report)
		return Dialled{Conn: conn}, err
	}
	client, err := c.Client(node)
	if err != nil {
		return Dialled{}, err
	}
	pods, err := c.upOrKnown(ctx, client, node, report)
	if err != nil {
		return Dialled{}, fmt.Errorf("node %s: %w", node.Name, err)
	}
	key := ""
	if len(pods) > 1 && affinity != nil {
		key = affinity()
	}
	var last error
	order := cluster.Order(pods, node.Kubernetes.LoadBalance, key)
	for i, pod := range order {
		daemon, err := c.ConnectPod(ctx, client, node, pod, report)
		if err == nil {
			if affinity != nil {
				daemon, pod = c.leastBusy(ctx, client, node, order[i:], daemon, report)
			}
			_ = daemon.Close() // it has answered
			var conn net.Conn
			if conn, err = client.Dial(ctx, node, pod, report); err == nil {
				return Dialled{Conn: conn, Pod: pod.Name, Transport: client.Reached(node, pod), Other: pod.Name != order[0].Name}, nil
			}
		}
		last = fmt.Errorf("node %s: connect to pod %s: %w", node.Name, pod.Name, err)
		if ctx.Err() != nil || i+1 == podTries || !worthAnotherPod(err) {
			break
		}
	}
	return Dialled{}, last
}

// upOrKnown returns the ready pods of a node. Where the API server does not answer it is
// those of before: a process that lives for long knows some, and a pod that has gone, or
// whose address is another's by now, does not answer with the certificate that is asked
// for.
func (c *Connector) upOrKnown(ctx context.Context, client Cluster, node configmap.Node, report func(string)) ([]kube.Pod, error) {
	pods, err := client.Up(ctx, node, report)
	c.mu.Lock()
	defer c.mu.Unlock()
	key := node.Kubernetes.Kubeconfig + "\n" + node.Kubernetes.Namespace + "\n" + node.Name // unique in a process
	known := (*kube.Error)(nil)
	switch {
	case err == nil:
		if c.known == nil {
			c.known = make(map[string][]kube.Pod)
		}
		c.known[key] = pods
		return pods, nil
	case !errors.As(err, &known) || known.Reason != kube.ReasonUnreachable || ctx.Err() != nil:
		return nil, err
	}
	pods = c.known[key]
	pods = slices.DeleteFunc(slices.Clone(pods), func(p kube.Pod) bool { return !p.Listens })
	if len(pods) == 0 {
		return nil, err
	}
	c.Log.Warn().Err(err).Str("node", node.Name).Msg("the API server does not answer: trying the pods that are known from before")
	return pods, nil
}

// dialRemote is DialNode for a node of the driver remote or local.
func (c *Connector) dialRemote(ctx context.Context, node configmap.Node, report func(string)) (net.Conn, error) {
	answered, err := c.connectRemote(ctx, node, nil, report)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answered.Close() }() // it has answered, and a local one runs until then
	ctx, cancel := c.within(ctx, node.Remote.Timeout)
	defer cancel()
	dial, _ := c.dialerOf(node, report)
	conn, err := dial(ctx)
	if err = c.explainLate(ctx, err); err != nil {
		return nil, fmt.Errorf("node %s: %w", node.Name, connectError(node, err))
	}
	return conn, nil
}
