package hostiledaemon

import (
	"net"
	"sync"
)

// freezable is a listener whose connections can be frozen, until the daemon ends:
// the server closes only those on which it has sent something.
type freezable struct {
	net.Listener
	frozen, ended <-chan struct{}
}

// Accept implements net.Listener.
func (l freezable) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &freezableConn{Conn: conn, frozen: l.frozen, ended: l.ended, closed: make(chan struct{})}, nil
}

// freezableConn is a connection that sends nothing once it is frozen.
type freezableConn struct {
	net.Conn
	frozen, ended <-chan struct{}
	once          sync.Once
	closed        chan struct{}
}

// Write implements net.Conn.
func (c *freezableConn) Write(p []byte) (int, error) {
	select {
	case <-c.frozen:
		select {
		case <-c.closed:
		case <-c.ended:
		}
		return 0, net.ErrClosed
	default:
		return c.Conn.Write(p)
	}
}

// Close implements net.Conn.
func (c *freezableConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
