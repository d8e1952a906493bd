package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/sidecar/peer"
	"github.com/slipway-build/slipway/internal/fault"
)

// Files are the paths of what a gateway needs, all in PEM. They are read again when a
// client connects, at most once in recheck, so that renewed ones are used without a
// restart.
type Files struct {
	// Certificate and Key are the gateway's own.
	Certificate, Key string
	// ClientCA holds the authorities that sign the certificates of clients.
	ClientCA string
	// Revoked holds lists of certificates that they have revoked; empty for none.
	Revoked string
}

// recheck is how old what was read may be when a client connects. A kubelet brings
// changed Secrets within a minute or so.
const recheck = 10 * time.Second

// handshakeTimeout bounds a handshake.
const handshakeTimeout = 10 * time.Second

// Gateway shakes hands with clients. It may be used by several goroutines.
type Gateway struct {
	// Names are the server names of the nodes, each by ServerName.
	names []string
	files Files
	read  func(path string) ([]byte, error)
	log   zerolog.Logger
	now   func() time.Time

	mu      sync.Mutex
	trust   trust
	checked time.Time
}

// New reads the files. Names are the server names of the nodes (ServerName), which must
// differ. The error lists all that is wrong.
func New(files Files, names []string, read func(path string) ([]byte, error), log zerolog.Logger) (*Gateway, error) {
	g := &Gateway{names: names, files: files, read: read, log: log, now: time.Now}
	seen := map[string]bool{}
	var wrong fault.List
	for _, name := range names {
		if seen[name] {
			wrong = append(wrong, fmt.Errorf("two nodes have the server name %s: rename one of them, or serve their builders by gateways of their own", name))
		}
		seen[name] = true
	}
	t, err := g.load()
	if err != nil {
		wrong = append(wrong, err...)
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	g.trust, g.checked = t, g.now()
	for _, name := range names {
		if err := t.pair.Leaf.VerifyHostname(name); err != nil {
			g.log.Debug().Msgf("the certificate is not for %s: clients need a server name below it that it is for", name)
		}
	}
	return g, nil
}

// load reads the files.
func (g *Gateway) load() (trust, fault.List) {
	var t trust
	var wrong fault.List
	certificate, err := g.read(g.files.Certificate)
	key, keyErr := g.read(g.files.Key)
	switch {
	case err != nil || keyErr != nil:
		wrong = append(wrong, errors.Join(err, keyErr))
	default:
		if t.pair, err = tls.X509KeyPair(certificate, key); err != nil {
			wrong = append(wrong, fmt.Errorf("%s with %s: %w", g.files.Certificate, g.files.Key, err))
		}
	}
	text, err := g.read(g.files.ClientCA)
	if err == nil {
		if t.authorities, err = parseAuthorities(text); err != nil {
			err = fmt.Errorf("%s: %w", g.files.ClientCA, err)
		}
	}
	if err != nil {
		return t, append(wrong, err)
	}
	t.clients = x509.NewCertPool()
	for _, authority := range t.authorities {
		t.clients.AddCert(authority)
	}
	if g.files.Revoked != "" {
		if text, err = g.read(g.files.Revoked); err == nil {
			if t.revoked, err = parseRevoked(text, t.authorities); err != nil {
				err = fmt.Errorf("%s: %w", g.files.Revoked, err)
			}
		}
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	return t, wrong
}

// current is what the files say now. Where they cannot be used, such as in the middle of
// a renewal, that is what they said before.
func (g *Gateway) current() trust {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.now(); now.Sub(g.checked) >= recheck {
		g.checked = now
		if t, err := g.load(); len(err) > 0 {
			g.log.Warn().Err(err).Msg("certificates cannot be read again: going on with those from before")
		} else {
			g.trust = t
		}
	}
	return g.trust
}

// Conn is a connection of a client after its handshake. A refused one is closed by
// Refuse.
type Conn struct {
	*tls.Conn
	// Name is the server name of the node that the client wants, one of the gateway's.
	Name string
	// Refused says why the client is not served; nil for one that is.
	Refused error
	client  peer.Peer
}

// Peer is the client, known by its certificate; the zero Peer for a refused one.
func (c *Conn) Peer() peer.Peer { return c.client }

// Handshake returns a connection over which the client's certificate was seen. Who is not
// let in is told so by Refuse and not in the handshake: clients of TLS 1.3 learn of a
// failed one by a connection that breaks, and then try again.
func (g *Gateway) Handshake(ctx context.Context, conn net.Conn) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	t := g.current()
	secured := tls.Server(conn, &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{t.pair},
		// Verified below. Without a list of authorities clients send whatever they have, so
		// that the refusal can name it.
		ClientAuth: tls.RequestClientCert,
		NextProtos: []string{"h2"}, // docker buildx names none, which is accepted
		// A certificate is looked at in each handshake.
		SessionTicketsDisabled: true,
	})
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	state := secured.ConnectionState()
	c := &Conn{Conn: secured}
	name, err := t.identify(state.PeerCertificates, g.now())
	switch {
	case err != nil:
		c.Refused = &refusal{authentication: true, why: err.Error()}
	default:
		c.client = peer.Peer{Name: name}
		if c.Name = Route(g.names, state.ServerName); c.Name == "" {
			c.Refused = &refusal{why: unknownNode(state.ServerName, g.names)}
		}
	}
	return c, nil
}
