package relay

import (
	"net"
	"sync"
	"sync/atomic"
)

// single is a listener of one connection that stands. It ends with the connection.
type single struct {
	conn  net.Conn
	taken atomic.Bool
	done  chan struct{}
	close func()
	over  atomic.Bool
}

func newSingle(conn net.Conn) *single {
	s := &single{done: make(chan struct{})}
	s.close = sync.OnceFunc(func() { close(s.done) })
	s.conn = &notifyingConn{Conn: conn, closed: func() { s.over.Store(true); s.close() }}
	return s
}

// ended is true once the connection was closed.
func (s *single) ended() bool { return s.over.Load() }

// Accept implements net.Listener.
func (s *single) Accept() (net.Conn, error) {
	if !s.taken.Swap(true) {
		return s.conn, nil
	}
	<-s.done
	return nil, net.ErrClosed
}

// Close implements net.Listener. The connection is gRPC's.
func (s *single) Close() error {
	s.close()
	if !s.taken.Swap(true) {
		return s.conn.Close()
	}
	return nil
}

// Addr implements net.Listener.
func (s *single) Addr() net.Addr { return s.conn.LocalAddr() }

// notifyingConn tells when it is closed.
type notifyingConn struct {
	net.Conn
	closed func()
}

// Close implements net.Conn.
func (c *notifyingConn) Close() error {
	c.closed()
	return c.Conn.Close()
}
