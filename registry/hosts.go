package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"

	"github.com/slipway-build/slipway/internal/source"
)

// Host says how a registry is spoken to, as a [registry] table of
// buildkitd.toml does. Its mirrors play no part: they serve pulls only.
type Host struct {
	// PlainHTTP is HTTP without TLS.
	PlainHTTP bool
	// Insecure is TLS without a check of the certificate. Together with
	// PlainHTTP it means: TLS where the registry speaks it.
	Insecure bool
	// CAs are PEM bundles that are trusted beside the system's.
	CAs [][]byte
	// KeyPairs are offered when the registry asks for a client certificate.
	KeyPairs []KeyPair
}

// KeyPair is a client certificate and its key, each PEM.
type KeyPair struct{ Cert, Key []byte }

func (h Host) usesTLS() bool {
	return h.Insecure || len(h.CAs) > 0 || len(h.KeyPairs) > 0
}

// Hosts are the settings of registries by host[:port], as it stands in image
// references.
type Hosts map[string]Host

// of returns the settings for the host that a request goes to, and whether
// there are any.
func (h Hosts) of(host string) (Host, bool) {
	for _, name := range spellings(host) {
		if settings, ok := h[name]; ok {
			return settings, true
		}
	}
	return Host{}, false
}

// spellings are the names under which a registry's settings may stand.
func spellings(host string) []string {
	if slices.Contains(hubHosts(), host) {
		return hubHosts()
	}
	return []string{host}
}

// connections holds one connection pool per registry host, made when it is
// first needed.
type connections struct {
	hosts    Hosts
	certDirs []string
	files    *source.Reader
	limits   limits

	mu    sync.Mutex
	known map[string]*connection
}

// connection is how one host is reached.
type connection struct {
	// plain is HTTP instead of TLS; unsure means that only a try will tell.
	plain, unsure bool
	// quick is for requests that are answered at once, patient for the end of
	// an upload, which a registry may answer only when it has checked and
	// stored gigabytes.
	quick, patient *http.Transport

	probe sync.Once
}

func newConnections(o Options, l limits) *connections {
	return &connections{hosts: o.Hosts, certDirs: o.CertDirs, files: o.Files, limits: l, known: map[string]*connection{}}
}

// to returns the connection to a host.
func (c *connections) to(host string) (*connection, error) { return c.serving(host, "") }

// serving returns the connection to a host that is the token service of a
// registry, or to a registry itself when that is empty. A definition names the
// authority of its registry; who runs both signs the token service with it too.
func (c *connections) serving(host, registry string) (*connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	settings, own := c.hosts.of(host)
	name, like := host, host
	if registry != "" && registry != host && !own {
		name, like = host+" of "+registry, registry
		settings, _ = c.hosts.of(registry)
	}
	if found, ok := c.known[name]; ok {
		return found, nil
	}
	for _, from := range slices.Compact([]string{host, like}) {
		certs, err := readCertDirs(c.files, c.certDirs, from)
		if err != nil {
			return nil, err
		}
		settings.CAs = append(slices.Clip(settings.CAs), certs.CAs...)
		settings.KeyPairs = append(slices.Clip(settings.KeyPairs), certs.KeyPairs...)
	}
	tlsConfig, err := settings.tlsConfig()
	if err != nil {
		return nil, fmt.Errorf("certificates for registry %s: %w", host, err)
	}
	quick := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{
			Timeout:   c.limits.answer,
			KeepAlive: c.limits.answer,
		}).DialContext,
		TLSClientConfig:       tlsConfig,
		TLSHandshakeTimeout:   c.limits.answer,
		ResponseHeaderTimeout: c.limits.answer,
		MaxIdleConnsPerHost:   copyConcurrency,
		IdleConnTimeout:       c.limits.stored,
		// HTTP/2 stays off, as in BuildKit: its flow control slows uploads.
	}
	patient := quick.Clone()
	patient.ResponseHeaderTimeout = c.limits.stored
	made := &connection{
		plain:   settings.PlainHTTP || !settings.usesTLS() && isLoopback(host),
		unsure:  settings.PlainHTTP && settings.Insecure,
		quick:   quick,
		patient: patient,
	}
	c.known[name] = made
	return made, nil
}

// plainHTTP reports whether the host is spoken to without TLS. It asks the
// host, once, where the settings leave it open.
func (c *connections) plainHTTP(ctx context.Context, host string) (bool, error) {
	to, err := c.to(host)
	if err != nil || !to.unsure {
		return to != nil && to.plain, err
	}
	to.probe.Do(func() { to.plain = !speaksTLS(ctx, to.quick, host) })
	return to.plain, nil
}

// withoutTLS reports whether a registry is known or found not to speak TLS: the
// builder may know that from a configuration that the agent has not.
func (c *connections) withoutTLS(ctx context.Context, host string) bool {
	plain, err := c.plainHTTP(ctx, host)
	if err != nil || plain {
		return plain
	}
	if _, known := c.hosts.of(host); known {
		return false
	}
	to, err := c.to(host)
	return err == nil && !speaksTLS(ctx, to.quick, host)
}

// speaksTLS reports whether TLS is spoken at host. In doubt it is, so that the
// request that follows fails with the reason.
func speaksTLS(ctx context.Context, transport *http.Transport, host string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/v2/", nil)
	if err != nil {
		return true
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err == nil {
		_ = response.Body.Close()
		return true
	}
	if _, _, noPort := net.SplitHostPort(host); noPort != nil && errors.Is(err, syscall.ECONNREFUSED) {
		return false // port 443 is closed, port 80 may be open
	}
	return !errors.Is(err, http.ErrSchemeMismatch)
}

// isLoopback reports whether the host is this machine, where docker and
// BuildKit speak plain HTTP unless they are told else.
func isLoopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}
