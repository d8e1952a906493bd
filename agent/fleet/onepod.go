package fleet

import (
	"context"
	"fmt"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/configmap"
)

// ConnectTo connects to one pod of a node by its name, which EveryPod has told; empty
// with the remote driver. Nothing is started. The caller closes the daemon.
func (c *Connector) ConnectTo(ctx context.Context, node configmap.Node, pod string) (*buildkit.Daemon, error) {
	if node.Remote != nil {
		asking, cancel := c.asking(ctx)
		defer cancel()
		conn, err := c.ConnectRemote(asking, node)
		if err != nil {
			return nil, err
		}
		return conn.Daemon, nil
	}
	client, pods, err := c.usablePods(ctx, node)
	if err != nil {
		return nil, err
	}
	for _, p := range pods {
		if p.Name != pod {
			continue
		}
		asking, cancel := c.asking(ctx)
		defer cancel()
		daemon, err := c.Ask(asking, client, node, p)
		if err != nil {
			return nil, fmt.Errorf("node %s: connect to pod %s: %w", node.Name, pod, err)
		}
		return daemon, nil
	}
	return nil, fmt.Errorf("node %s: pod %s is gone", node.Name, pod)
}
