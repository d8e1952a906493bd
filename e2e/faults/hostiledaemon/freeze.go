package hostiledaemon

import (
	"net"
	"sync"
)

// freezable is a listener whose connections can be frozen.
type freezable struct {
	net.Listener
	frozen <-chan struct{}
}

// Accept implements net.Listener.
func (l freezable) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &freezableConn{Conn: conn, frozen: l.frozen, closed: make(chan struct{})}, nil
}

// freezableConn is a connection that sends nothing once it is frozen.
type freezableConn struct {
	net.Conn
	frozen <-chan struct{}
	once   sync.Once
	closed chan struct{}
}

// Write implements net.Conn.
func (c *freezableConn) Write(p []byte) (int, error) {
	select {
	case <-c.frozen:
		<-c.closed
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
