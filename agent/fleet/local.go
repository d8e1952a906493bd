package fleet

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/localdaemon"
	"github.com/slipway-build/slipway/configmap"
)

// leasedDaemon is the daemon of a node of the driver local as a connection uses it.
type leasedDaemon struct {
	node  configmap.Node
	lease *localdaemon.Lease
}

// Death is the error about the daemon of a connection that was lost, which the driver
// local has started and which has ended; nil for other drivers, and while it runs.
// Started again it would end for the same reason, such as a lack of memory.
func (c *Connection) Death() error {
	if c.local == nil || c.local.lease == nil {
		return nil
	}
	if err := c.local.lease.Death(c.local.node); err != nil {
		return fmt.Errorf("node %s: %w", c.local.node.Name, err)
	}
	return nil
}

// dialerOf returns what dials a node of the driver remote or local. The daemon of the
// latter, which is nil for the former, is started first where it does not run, and
// is in use until the connection is closed.
func (c *Connector) dialerOf(node configmap.Node, report func(string)) (func(context.Context) (net.Conn, error), *leasedDaemon) {
	dial := buildkit.DialRemote(*node.Remote, c.Access.Files)
	if node.Local == nil {
		return dial, nil
	}
	local := &leasedDaemon{node: node}
	return func(ctx context.Context) (net.Conn, error) {
		end := c.Events.Node(node.Name).Begin("start buildkitd")
		lease, err := localdaemon.Acquire(ctx, node, report)
		end()
		if err != nil {
			return nil, err
		}
		conn, err := dial(ctx)
		if err != nil {
			lease.Release() //nolint:contextcheck // it is released when ctx has ended, too
			return nil, fmt.Errorf("connect to %s: %w", node.Remote.Address, err)
		}
		local.lease = lease
		return &leasedConn{Conn: conn, lease: lease}, nil
	}, local
}

// connectError says what failed where the error does not.
func connectError(node configmap.Node, err error) error {
	if node.Local != nil {
		return err
	}
	return fmt.Errorf("connect to %s: %w", node.Remote.Address, err)
}

// driverOf is the driver of a node that is not in a cluster.
func driverOf(node configmap.Node) string {
	if node.Local != nil {
		return configmap.DriverLocal
	}
	return configmap.DriverRemote
}

// debug reports to the log at debug level.
func (c *Connector) debug(node configmap.Node) func(string) {
	return func(line string) { c.Log.Debug().Str("node", node.Name).Msg(line) }
}

// leasedConn is a connection to a local daemon, whose use ends with it.
type leasedConn struct {
	net.Conn
	lease *localdaemon.Lease
	once  sync.Once
}

// Close implements net.Conn. It waits until a daemon that nobody else uses has ended.
func (c *leasedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.lease.Release)
	return err
}

// CloseWrite ends what is sent and leaves the answer to be read.
func (c *leasedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}
