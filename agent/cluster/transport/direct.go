package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/agent/cluster/pki"
)

// timeouts is how long the steps to a connection may take.
type timeouts struct {
	// packet bounds the wait for the first packet from the pod, answer that
	// for the first bytes of buildkitd after it.
	packet, answer time.Duration
}

var (
	// tryTimeouts is for a transport that has another behind it. A second and
	// a half leaves room for one packet that gets lost, which is sent again
	// after a second.
	tryTimeouts = timeouts{packet: 1500 * time.Millisecond, answer: 5 * time.Second}
	// lastTimeouts is for one that has none.
	lastTimeouts = timeouts{packet: 5 * time.Second, answer: 15 * time.Second}
)

// dialDirect connects to buildkitd at the pod's own address.
func (d *Dialer) dialDirect(ctx context.Context, pod kube.Pod, from *pki.Credential, limits timeouts) (net.Conn, error) {
	if len(pod.Addresses) == 0 {
		return nil, &kube.Error{Reason: kube.ReasonBlocked, Message: "pod " + pod.String() + " has no address", Advice: []string{podHint(pod)}}
	}
	var failures []error
	for _, ip := range pod.Addresses {
		address := net.JoinHostPort(ip, strconv.Itoa(manifest.ListenPort))
		conn, err := dialTLS(ctx, address, from, limits)
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		failure := explainTLS(err, pod, address, from, time.Now())
		if failure.Reason != kube.ReasonBlocked && failure.Reason != kube.ReasonRefused {
			return nil, failure // it would say the same at every address
		}
		failures = append(failures, failure)
	}
	// The first address is the one that the cluster prefers.
	return nil, failures[0]
}

func dialTLS(ctx context.Context, address string, from *pki.Credential, limits timeouts) (net.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, limits.packet)
	defer cancel()
	dialer := net.Dialer{KeepAliveConfig: keepAlive, Control: setUserTimeout}
	conn, err := dialer.DialContext(limited, "tcp", address)
	if err != nil {
		return nil, err
	}
	return startTLS(ctx, conn, from, limits)
}

// startTLS speaks TLS over conn and returns when buildkitd has sent its first
// bytes, which a gRPC server does unasked. With TLS 1.3 a client learns only
// by then that its certificate was refused. It costs no round trip: gRPC waits
// for the same bytes. On failure conn is closed.
func startTLS(ctx context.Context, conn net.Conn, from *pki.Credential, limits timeouts) (net.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, limits.answer)
	defer cancel()
	secured := tls.Client(conn, from.Config())
	if err := secured.HandshakeContext(limited); err != nil {
		return nil, errors.Join(err, ignoreClosed(conn.Close()))
	}
	// The read below is not one of a context.
	stop := context.AfterFunc(limited, func() { _ = secured.SetReadDeadline(time.Unix(1, 0)) })
	first := make([]byte, 512)
	n, err := secured.Read(first)
	if !stop() || err != nil {
		return nil, errors.Join(err, context.Cause(limited), ignoreClosed(secured.Close()))
	}
	return &answeredConn{Conn: secured, first: first[:n], name: from.ServerName}, nil
}

// ignoreClosed drops the complaint that what is to be closed is closed.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// answeredConn is a connection of which some bytes were read already.
type answeredConn struct {
	net.Conn
	first []byte
	name  string
}

// Read implements net.Conn.
func (c *answeredConn) Read(p []byte) (int, error) {
	if len(c.first) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.first)
	c.first = c.first[n:]
	return n, nil
}

// Authority is the name that gRPC calls the other end by.
func (c *answeredConn) Authority() string { return c.name }

// CloseWrite ends what is sent and leaves the answer to be read, as TLS does
// below.
func (c *answeredConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// A pod that vanishes, with its cluster node or behind a rule that drops packets,
// does not close its connections. Idle ones are probed after keepAliveIdle, and
// what was sent must be acknowledged within unackedTimeout.
const (
	keepAliveIdle  = 10 * time.Second
	unackedTimeout = 30 * time.Second
)

var keepAlive = net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle, Interval: keepAliveIdle, Count: int(unackedTimeout / keepAliveIdle)}
