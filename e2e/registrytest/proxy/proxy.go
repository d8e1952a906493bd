// Package proxy stands between a build and the testbed's registry and breaks
// what a scenario tells it to break.
package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/slipway-build/slipway/e2e/testbed/pki"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// Proxy passes requests to a registry, but for those that a rule is for. Pods
// of every node reach it. What it passes it does not keep: gigabytes go
// through it a buffer at a time.
type Proxy struct {
	registry state.Registry
	users    map[string]string
	server   *http.Server
	upstream *http.Transport
	served   chan struct{}
	ended    error // of the server, once served is closed

	// closing ends what waits in a handler; handlers are those that run.
	closing  chan struct{}
	handlers sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	rules   []*rule
	odd     *odd // nil for a registry like most
	log     []*Request
	changed chan struct{} // closed and replaced whenever the log changes
}

// Start starts a proxy before the registry, on a free port of the registry's
// own address, with a certificate of the testbed's authority. Close ends it.
func Start(ctx context.Context, r state.Registry) (*Proxy, error) {
	host, _, err := net.SplitHostPort(r.Address)
	if err != nil {
		return nil, fmt.Errorf("address of the registry: %w", err)
	}
	return StartAs(ctx, r, Disguise{Address: net.JoinHostPort(host, "0"), Names: names})
}

// Disguise is a registry that a proxy passes for.
type Disguise struct {
	// Address is where it listens: one of the machine's that pods reach, with
	// port 443 for names without one, or with port 0 for a free one.
	Address string
	// Names are the hosts that its certificate is for. Pods need aliases.
	Names []string
	// Users are names under which the registry's own user, the value, is known
	// there, with the same password.
	Users map[string]string
}

// StartAs starts a proxy in disguise.
func StartAs(ctx context.Context, r state.Registry, as Disguise) (*Proxy, error) {
	if r.CAKey == "" {
		return nil, errors.New("a proxy needs the key of the testbed's authority, and this cluster's registry has none")
	}
	authority, err := pki.Load(r.CA, r.CAKey)
	if err != nil {
		return nil, err
	}
	roots, err := pki.Pool(r.CA)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(as.Address)
	if err != nil {
		return nil, fmt.Errorf("address of the proxy: %w", err)
	}
	issued, err := authority.Issue(pkix.Name{CommonName: "registry proxy"}, as.Names, []net.IP{net.ParseIP(host)})
	if err != nil {
		return nil, err
	}
	certificate, err := tls.X509KeyPair(issued.Certificate, issued.Key)
	if err != nil {
		return nil, fmt.Errorf("use the proxy's certificate: %w", err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", as.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for the registry's clients: %w", err)
	}
	p := &Proxy{
		registry: r,
		users:    as.Users,
		upstream: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			// Several layers at once are several connections, as a client's are.
			MaxIdleConnsPerHost: 16,
			// What the registry sends must arrive as it is.
			DisableCompression: true,
			// No HTTP/2 here either, by no ForceAttemptHTTP2: a cut upload ends
			// the registry's connection too.
		},
		served:  make(chan struct{}),
		closing: make(chan struct{}),
		changed: make(chan struct{}),
	}
	p.registry.Address = listener.Addr().String()
	p.registry.Name = ""
	p.server = &http.Server{
		Handler:           p.handler(r.Address),
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		// No HTTP/2: a connection that is cut must be a connection, and not one
		// of its streams.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
		// Broken connections are what it is for; the log of requests has them.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() {
		defer close(p.served)
		p.ended = p.server.ServeTLS(listener, "", "")
	}()
	return p, nil
}

// names are host names that the proxy may be called, as the registry may.
var names = []string{"registry.slipway.test", "mirror.slipway.test", "other.slipway.test"}

// Registry is the registry as it is reached through the proxy: the same users,
// another address.
func (p *Proxy) Registry() state.Registry { return p.registry }

// Close cuts every connection and waits until the proxy has ended.
func (p *Proxy) Close() error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.closing)
	}
	p.mu.Unlock()
	err := p.server.Close()
	<-p.served
	p.handlers.Wait()
	p.upstream.CloseIdleConnections()
	if !errors.Is(p.ended, http.ErrServerClosed) {
		err = errors.Join(err, p.ended)
	}
	if err != nil {
		return fmt.Errorf("end the registry's proxy: %w", err)
	}
	return nil
}

func (p *Proxy) handler(registry string) http.Handler {
	target := &url.URL{Scheme: "https", Host: registry}
	passing := &httputil.ReverseProxy{
		Transport: p.upstream,
		// After every write: what came before a cut must reach the client.
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			// The registry makes its Location headers, and the realm of its
			// tokens, of the host that it is asked by: so they lead here again.
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			if errors.Is(err, errCut) {
				panic(http.ErrAbortHandler)
			}
			http.Error(w, "the registry behind the proxy: "+err.Error(), http.StatusBadGateway)
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			client = r.RemoteAddr
		}
		request, fault, odd := p.begin(client, r)
		defer p.end(request)
		traffic := &traffic{ResponseWriter: w, request: request, mu: &p.mu, fault: fault}
		r.Body = traffic.requestBody(r.Body)
		if name, password, ok := r.BasicAuth(); ok && p.users[name] != "" {
			r.SetBasicAuth(p.users[name], password)
		}
		p.wait(r.Context(), fault)
		if fault.status != 0 {
			refuse(traffic, r, fault)
			return
		}
		if fault.answer != nil {
			fault.answer.ServeHTTP(traffic, r)
			return
		}
		if w, answered := odd.meets(traffic, r); !answered {
			passing.ServeHTTP(w, r)
		}
	})
}
