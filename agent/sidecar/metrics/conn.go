package metrics

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Counted is a connection to buildkitd whose bytes are counted, and its loss. asked is
// when the client has made its first call.
func (n *Node) Counted(conn net.Conn, asked time.Time) net.Conn {
	return &countedConn{
		Conn: conn, node: n,
		first: sync.OnceFunc(func() { n.FirstByte(time.Since(asked)) }),
		lost:  sync.OnceFunc(n.Lost),
	}
}

type countedConn struct {
	net.Conn
	node        *Node
	first, lost func()
	closed      atomic.Bool
}

// Read implements net.Conn.
func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.first()
		c.node.from.Add(float64(n))
	}
	if err != nil && !c.closed.Load() { // this side closes it when the client's has ended
		c.lost()
	}
	return n, err
}

// Write implements net.Conn.
func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.node.toBuilder.Add(float64(n))
	return n, err
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}
