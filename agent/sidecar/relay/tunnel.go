package relay

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc"

	"github.com/slipway-build/slipway/internal/fault"
)

// tunnel is the connection inside of a client's session call. BuildKit's own
// (session/grpchijack) reads to the end of the call when it is closed, which on the
// side that has to end the call is never reached.
type tunnel struct {
	stream grpc.ServerStream
	// pieces are what the client has sent, until the call ends or the tunnel is
	// closed.
	pieces chan []byte
	// free are buffers that were read.
	free   chan []byte
	rest   []byte // of the piece that is being read, in buffer
	buffer []byte
	closed chan struct{}
	once   sync.Once
	write  sync.Mutex
}

func newTunnel(stream grpc.ServerStream) *tunnel {
	t := &tunnel{stream: stream, pieces: make(chan []byte), free: make(chan []byte, 2), closed: make(chan struct{})}
	t.free <- make([]byte, 0, 32<<10)
	t.free <- make([]byte, 0, 32<<10)
	go fault.Protect(t.pump)()
	return t
}

// pump receives until the call ends, which it does after the tunnel was closed.
func (t *tunnel) pump() {
	defer close(t.pieces)
	for {
		var buffer []byte
		select {
		case buffer = <-t.free:
		case <-t.closed:
			return
		}
		message := &control.BytesMessage{Data: buffer}
		if err := t.stream.RecvMsg(message); err != nil {
			return
		}
		select {
		case t.pieces <- message.Data:
		case <-t.closed:
			return
		}
	}
}

// Read implements net.Conn.
func (t *tunnel) Read(p []byte) (int, error) {
	for len(t.rest) == 0 {
		if t.buffer != nil {
			t.free <- t.buffer[:0]
			t.buffer = nil
		}
		select {
		case piece, ok := <-t.pieces:
			if !ok {
				return 0, io.EOF
			}
			t.rest, t.buffer = piece, piece
		case <-t.closed:
			return 0, net.ErrClosed
		}
	}
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// Write implements net.Conn.
func (t *tunnel) Write(p []byte) (int, error) {
	t.write.Lock()
	defer t.write.Unlock()
	select {
	case <-t.closed:
		return 0, net.ErrClosed
	default:
	}
	if err := t.stream.SendMsg(&control.BytesMessage{Data: p}); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close implements net.Conn.
func (t *tunnel) Close() error {
	t.once.Do(func() { close(t.closed) })
	return nil
}

// ended is done when the tunnel was closed.
func (t *tunnel) ended() <-chan struct{} { return t.closed }

// LocalAddr implements net.Conn.
func (t *tunnel) LocalAddr() net.Addr { return sessionAddr{} }

// RemoteAddr implements net.Conn.
func (t *tunnel) RemoteAddr() net.Addr { return sessionAddr{} }

// SetDeadline implements net.Conn. The call's context bounds all.
func (t *tunnel) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (t *tunnel) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (t *tunnel) SetWriteDeadline(time.Time) error { return nil }

// sessionAddr is the address of both ends of a session.
type sessionAddr struct{}

// Network implements net.Addr.
func (sessionAddr) Network() string { return "session" }

func (sessionAddr) String() string { return "session" }

// cancelOn cancels when done is, unless the context has ended before.
func cancelOn(ctx context.Context, done <-chan struct{}, cancel context.CancelFunc) {
	select {
	case <-done:
		cancel()
	case <-ctx.Done():
	}
}
