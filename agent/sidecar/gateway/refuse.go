package gateway

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// refusal says why a client is not served.
type refusal struct {
	// authentication says that it is not known who the client is.
	authentication bool
	why            string
}

// Error implements error.
func (r *refusal) Error() string { return r.why }

// GRPCStatus is what the client's calls are answered with. Clients do not repeat calls
// with these codes.
func (r *refusal) GRPCStatus() *status.Status {
	code := codes.NotFound
	if r.authentication {
		code = codes.Unauthenticated
	}
	return status.New(code, "slipway agent: "+r.why)
}

// unknownNode says which names there are. Only clients that were let in get to know.
func unknownNode(asked string, names []string) string {
	names = slices.Sorted(slices.Values(names))
	how := "set the driver-opt servername, or --tlsservername of buildctl, to one of " + strings.Join(names, ", ")
	if asked == "" {
		return "no TLS server name was sent, by which a node is chosen: " + how
	}
	return fmt.Sprintf("the TLS server name %q is none of a node: %s", asked, how)
}

// A refused client gets the reason for its first calls, and may do no more than that.
const (
	refusedFor     = 5 * time.Second
	refusedStreams = 4
	refusedHeaders = 16 << 10
)

// Refuse answers the calls of a client with the reason why it is not served, for some
// seconds or until the client or ctx ends, and closes the connection.
func (c *Conn) Refuse(ctx context.Context, why error) {
	ctx, cancel := context.WithTimeout(ctx, refusedFor)
	defer cancel()
	reason := status.Convert(why).Err()
	server := grpc.NewServer(
		grpc.MaxConcurrentStreams(refusedStreams), grpc.MaxHeaderListSize(refusedHeaders), grpc.ConnectionTimeout(refusedFor),
		grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return reason }),
	)
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	_ = server.Serve(newOnce(c)) // it ends with the connection
	server.Stop()
}

// once is a listener of one connection that stands, and ends with it.
type once struct {
	conn  net.Conn
	done  chan struct{}
	close func()
	mu    sync.Mutex
	taken bool
}

func newOnce(conn net.Conn) *once {
	o := &once{done: make(chan struct{})}
	o.close = sync.OnceFunc(func() { close(o.done) })
	o.conn = &closing{conn, o.close}
	return o
}

// Accept implements net.Listener.
func (o *once) Accept() (net.Conn, error) {
	o.mu.Lock()
	taken := o.taken
	o.taken = true
	o.mu.Unlock()
	if !taken {
		return o.conn, nil
	}
	<-o.done
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (o *once) Close() error {
	o.close()
	return o.conn.Close()
}

// Addr implements net.Listener.
func (o *once) Addr() net.Addr { return o.conn.LocalAddr() }

// closing tells when it is closed.
type closing struct {
	net.Conn
	closed func()
}

// Close implements net.Conn.
func (c *closing) Close() error {
	c.closed()
	return c.Conn.Close()
}
