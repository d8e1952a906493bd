package buildkit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/source"
)

// tcpKeepAlive is how often the kernel probes an idle TCP connection.
const tcpKeepAlive = 15 * time.Second

// DialRemote returns the dial function for a node of the remote driver:
// tcp://HOST:PORT, with TLS when any certificate option is given, or
// unix:///PATH. files reads the certificates.
func DialRemote(r configmap.Remote, files *source.Reader) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		u, err := url.Parse(r.Address)
		if err != nil {
			return nil, fmt.Errorf("remote address %q: %w", r.Address, err)
		}
		dialer := net.Dialer{KeepAlive: tcpKeepAlive}
		switch u.Scheme {
		case "unix":
			return dialer.DialContext(ctx, "unix", u.Path)
		case "tcp":
			return dialTCP(ctx, dialer, u, r, files)
		default:
			return nil, fmt.Errorf("remote address %q: unknown scheme %q, expected tcp or unix", r.Address, u.Scheme)
		}
	}
}

func dialTCP(ctx context.Context, dialer net.Dialer, u *url.URL, r configmap.Remote, files *source.Reader) (net.Conn, error) {
	config, err := remoteTLS(u, r, files)
	if err != nil {
		return nil, err
	}
	conn, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	if config == nil {
		return namedConn{conn, u.Host}, nil
	}
	secured := tls.Client(conn, config)
	// With the handshake done here its error says what is wrong with which
	// certificate; gRPC would report a broken connection.
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("tls with %s: %w", r.Address, err), conn.Close())
	}
	authority := config.ServerName
	if strings.Contains(authority, ":") {
		authority = "[" + authority + "]" // an IPv6 address, RFC 3986
	}
	return namedConn{secured, authority}, nil
}

// remoteTLS is nil when no certificate option is given.
func remoteTLS(u *url.URL, r configmap.Remote, files *source.Reader) (*tls.Config, error) {
	if r.CACert == "" && r.Cert == "" && r.Key == "" && r.ServerName == "" {
		return nil, nil
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: r.ServerName,
		RootCAs:    x509.NewCertPool(),
		NextProtos: []string{"h2"}, // gRPC servers insist on it
	}
	if config.ServerName == "" {
		config.ServerName = u.Hostname()
	}
	if r.CACert != "" {
		pem, err := files.Read(r.CACert, source.MaxConfig)
		if err != nil {
			return nil, fmt.Errorf("cacert: %w", err)
		}
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cacert %s: holds no certificate", r.CACert)
		}
	}
	if r.Cert != "" || r.Key != "" {
		pair, err := files.KeyPair(r.Cert, r.Key)
		if err != nil {
			return nil, fmt.Errorf("cert %s, key %s: %w", r.Cert, r.Key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// namedConn tells gRPC the name of the other end, for its :authority header.
type namedConn struct {
	net.Conn
	name string
}

// Authority implements authorityConn.
func (c namedConn) Authority() string { return c.name }

// CloseWrite ends what is sent and leaves the answer to be read, as the
// connection below does: TCP and TLS know it.
func (c namedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}
