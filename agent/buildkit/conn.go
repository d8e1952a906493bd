package buildkit

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// errOneConnection answers gRPC when it wants to dial again after the
// connection broke. A new one might land on another pod, which knows nothing
// of the solve.
var errOneConnection = errors.New("the connection to buildkitd is gone")

// onceDialer hands out one connection that was made before, once.
func onceDialer(conn net.Conn) func(context.Context, string) (net.Conn, error) {
	var used atomic.Bool
	return func(context.Context, string) (net.Conn, error) {
		if used.Swap(true) {
			return nil, errOneConnection
		}
		return conn, nil
	}
}

// heardConn remembers when bytes last arrived, and is closed once however
// often gRPC and its owner close it.
type heardConn struct {
	net.Conn
	start time.Time
	heard atomic.Int64 // time since start, in ns
	once  sync.Once
	err   error // of the first close
}

// Close implements net.Conn.
func (c *heardConn) Close() error {
	c.once.Do(func() { c.err = c.Conn.Close() })
	return c.err
}

func newHeardConn(conn net.Conn) *heardConn {
	return &heardConn{Conn: conn, start: time.Now()}
}

// Read implements net.Conn.
func (c *heardConn) Read(buf []byte) (int, error) {
	n, err := c.Conn.Read(buf)
	if n > 0 {
		c.heard.Store(int64(time.Since(c.start)))
	}
	return n, err
}

// silence is how long nothing has arrived.
func (c *heardConn) silence() time.Duration {
	return time.Since(c.start) - time.Duration(c.heard.Load())
}
