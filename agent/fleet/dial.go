package fleet

import (
	"context"
	"fmt"
	"net"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/configmap"
)

// DialNode makes sure that the node runs and returns a connection to the
// buildkitd of one of its pods, over which nothing was said yet. The daemon has
// answered over another connection just before. affinity chooses the pod as for
// Connect.
func (c *Connector) DialNode(ctx context.Context, node configmap.Node, affinity func() string, report func(string)) (net.Conn, error) {
	if node.Remote != nil {
		return c.dialRemote(ctx, node, report)
	}
	client, err := c.Client(node)
	if err != nil {
		return nil, err
	}
	pods, err := client.Up(ctx, node, report)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", node.Name, err)
	}
	key := ""
	if len(pods) > 1 && affinity != nil {
		key = affinity()
	}
	var last error
	for i, pod := range cluster.Order(pods, node.Kubernetes.LoadBalance, key) {
		daemon, err := c.ConnectPod(ctx, client, node, pod, report)
		if err == nil {
			_ = daemon.Close() // it has answered
			var conn net.Conn
			if conn, err = client.Dial(ctx, node, pod, report); err == nil {
				return conn, nil
			}
		}
		last = fmt.Errorf("node %s: connect to pod %s: %w", node.Name, pod.Name, err)
		if ctx.Err() != nil || i+1 == podTries || !worthAnotherPod(err) {
			break
		}
	}
	return nil, last
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
