package sidecar

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/agent/sidecar/gateway"
	"github.com/slipway-build/slipway/agent/sidecar/peer"
	"github.com/slipway-build/slipway/agent/sidecar/relay"
	"github.com/slipway-build/slipway/configmap"
)

// authority signs the certificates of a test.
type authority struct {
	dir  string
	file string
	own  *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	a := authority{dir: t.TempDir()}
	a.file, _ = a.issue(t, name, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	pair, err := tls.LoadX509KeyPair(a.file, a.dir+"/"+name+".key")
	if err != nil {
		t.Fatal(err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("the key is a %T", pair.PrivateKey)
	}
	a.own, a.key = pair.Leaf, key
	return a
}

// issue writes a certificate and its key to files.
func (a authority) issue(t *testing.T, name string, c *x509.Certificate) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	if c.NotAfter.IsZero() {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	parent, signer := a.own, a.key
	if parent == nil {
		parent, signer = c, private
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &private.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key")
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

func forClients() *x509.Certificate {
	return &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

// remote is the definition's node of a client of the gateway.
func (a authority) remote(r gatewayRun, serverName, certificate, key string) configmap.Remote {
	return configmap.Remote{Address: "tcp://" + r.address, CACert: a.file, Cert: certificate, Key: key, ServerName: serverName, Timeout: time.Minute}
}

type gatewayRun struct {
	running
	address string
	log     *lockedBuffer
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// startGateway serves two nodes over TCP, besides the directory unless change removes it.
func startGateway(t *testing.T, a authority, change func(*Sidecar)) gatewayRun {
	t.Helper()
	certificate, key := a.issue(t, "gateway", &x509.Certificate{DNSNames: []string{"amd64.kube", "arm64.kube", "localhost"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	s := newSidecar(t)
	r := gatewayRun{log: &lockedBuffer{}, running: running{dir: s.Dir, ended: make(chan error, 1)}}
	s.Log = zerolog.New(r.log)
	var err error
	s.Gateway, err = NewGateway("127.0.0.1:0", gateway.Files{Certificate: certificate, Key: key, ClientCA: a.file}, os.ReadFile, s.Definitions, s.Log)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&s)
	}
	ctx, end := context.WithCancel(t.Context())
	r.end = end
	go func() { r.ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		end()
		r.stopped(t)
	})
	eventually(t, "the address", func() bool {
		_, after, ok := strings.Cut(r.log.String(), `"address":"`)
		r.address, _, _ = strings.Cut(after, `"`)
		return ok
	})
	return r
}

// call asks for the workers, as clients do first.
func call(t *testing.T, r configmap.Remote) (*buildkit.Daemon, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return buildkit.Connect(ctx, buildkit.DialRemote(r, nil))
}

// TestGateway tests that clients with certificates reach the node that they name, without
// a directory, under the name of their certificates, and that the end lets them go on.
func TestGateway(t *testing.T) {
	a := newAuthority(t, "ca")
	certificate, key := a.issue(t, "team-a", forClients())
	r := startGateway(t, a, func(s *Sidecar) {
		s.Dir = ""
		for i, n := range s.Definitions[0].Nodes {
			s.Definitions[0].Nodes[i].Remote.Address = (&fleettest.Daemon{Platforms: []string{"linux/" + n.Name}}).Listen(t)
		}
	})
	var last *buildkit.Daemon
	for _, node := range []string{"amd64", "arm64"} {
		daemon, err := call(t, a.remote(r, node+".kube", certificate, key))
		if err != nil {
			t.Fatal(err)
		}
		defer daemon.Close()
		if got := fleet.FormatPlatforms(daemon.Platforms()); len(got) != 1 || got[0] != "linux/"+node {
			t.Errorf("the server name of %s leads to %v", node, got)
		}
		last = daemon
	}
	r.end()
	eventually(t, "the end", func() bool {
		conn, err := net.Dial("tcp", r.address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	if _, err := last.Client().ListWorkers(t.Context()); err != nil {
		t.Errorf("a connection that was open: %v", err)
	}
	if log := r.log.String(); !strings.Contains(log, `"client":"team-a"`) {
		t.Errorf("the log:\n%s", log)
	}
}

// TestGatewayPeer tests that interceptors get the name of the client, that a client of
// slipway says what it builds, and what a client is told for which there is no place.
func TestGatewayPeer(t *testing.T) {
	a := newAuthority(t, "ca")
	certificate, key := a.issue(t, "team-a", forClients())
	file := (&fleettest.Daemon{}).Listen(t)
	s := Sidecar{
		Definitions: []configmap.Definition{{Name: "kube", Nodes: []configmap.Node{{Name: "amd64", Remote: &configmap.Remote{Address: file, Timeout: time.Minute}}}}},
		Connector:   (&fleet.Clients{Access: cluster.Access{}, Log: zerolog.Nop()}).Connector(), MaxConnections: 1, Log: zerolog.Nop(),
	}
	serverCertificate, serverKey := a.issue(t, "gateway", &x509.Certificate{DNSNames: []string{"amd64.kube"}})
	g, err := NewGateway("127.0.0.1:0", gateway.Files{Certificate: serverCertificate, Key: serverKey, ClientCA: a.file}, os.ReadFile, s.Definitions, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	s.Gateway = g
	nodes := s.withoutSockets()
	names := make(chan string, 10)
	nodes[0].relay.Interceptors = []relay.Interceptor{func(ctx context.Context, call *relay.Call, next relay.Handler) (proto.Message, error) {
		names <- peer.From(ctx).Name + " builds " + strings.Join(call.Metadata.Get(api.AffinityMetadata), ",")
		return next(ctx)
	}}
	if err := g.listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.serve(ctx, nil, nodes) }()
	client := a.remote(gatewayRun{address: g.listener.Addr().String()}, "amd64.kube", certificate, key)
	daemon, err := s.Connector.Connect(t.Context(), configmap.Node{Name: "amd64", Remote: &client}, func() string { return "an app" }, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-names; got != "team-a builds an app" {
		t.Errorf("%s", got)
	}
	// The one place is taken: another client is told.
	if _, err := call(t, client); err == nil || !strings.Contains(err.Error(), "1 connections to node amd64 are open") {
		t.Errorf("a second client: %v", err)
	}
	_ = daemon.Close()
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestGatewayRefuses tests that clients that are not served learn why by their first call.
func TestGatewayRefuses(t *testing.T) {
	a, other := newAuthority(t, "ca"), newAuthority(t, "other")
	r := startGateway(t, a, nil)
	certificate, key := a.issue(t, "team-a", forClients())
	foreign, foreignKey := other.issue(t, "stranger", forClients())
	old := forClients()
	old.NotBefore, old.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	expired, expiredKey := a.issue(t, "late", old)
	for name, c := range map[string]struct {
		remote configmap.Remote
		code   codes.Code
		want   string
	}{
		"no certificate":    {a.remote(r, "amd64.kube", "", ""), codes.Unauthenticated, "slipway agent: a client certificate is needed, and none was sent"},
		"another authority": {a.remote(r, "amd64.kube", foreign, foreignKey), codes.Unauthenticated, `slipway agent: the client certificate of "stranger" was issued by "CN=other", which is not trusted here`},
		"expired":           {a.remote(r, "amd64.kube", expired, expiredKey), codes.Unauthenticated, `slipway agent: the client certificate of "late" has expired at `},
		"no node":           {a.remote(r, "localhost", certificate, key), codes.NotFound, `slipway agent: the TLS server name "localhost" is none of a node: set the driver-opt servername, or --tlsservername of buildctl, to one of amd64.kube, arm64.kube`},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := call(t, c.remote)
			if status.Code(err) != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
	if log := r.log.String(); !strings.Contains(log, `"error":"a client certificate is needed, and none was sent"`) {
		t.Errorf("the log:\n%s", log)
	}
	for name, config := range map[string]*tls.Config{
		"an old TLS":         {MaxVersion: tls.VersionTLS12},
		"no TLS, only bytes": nil,
	} {
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		if config == nil {
			_, _ = conn.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			if n, err := conn.Read(make([]byte, 100)); n > 10 && err == nil {
				t.Errorf("%s: it is answered with %d bytes", name, n)
			}
		} else {
			config.InsecureSkipVerify = true
			if err := tls.Client(conn, config).HandshakeContext(t.Context()); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
		_ = conn.Close()
	}
	// The sockets of the directory are served as well.
	daemon, err := r.connect(t)
	if err != nil {
		t.Fatal(err)
	}
	_ = daemon.Close()
}
