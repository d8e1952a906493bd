package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/registry"
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
	for _, name := range registry.Spellings(host) {
		if settings, ok := h[name]; ok {
			return settings, true
		}
	}
	return Host{}, false
}

// connections holds one connection pool per registry host, made when it is
// first needed.
type connections struct {
	hosts    Hosts
	certDirs []string
	files    *source.Reader
	limits   limits
	// lookup, unless nil, stands in for the DNS: tests set it.
	lookup func(address string) (string, error)

	mu    sync.Mutex
	known map[string]*connection
}

// connection is how one host is reached.
type connection struct {
	// plain is HTTP instead of TLS; unsure means that only a try will tell.
	plain, unsure bool
	// standard is for requests that are answered at once, uploads for the end of
	// an upload, which a registry may answer only when it has checked and
	// stored gigabytes.
	standard, uploads *http.Transport

	probe sync.Once
	// reach is from where the host can be spoken to, once a connection was made
	// and found says so.
	mu    sync.Mutex
	reach reach
	found bool
}

// at notes an address of the host. Of several the most public one counts: who
// runs the name server of a host must not be able to move it to where its
// registry may send agents.
func (c *connection) at(found reach) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.found || found < c.reach {
		c.reach, c.found = found, true
	}
}

// from is from where the host can be spoken to.
func (c *connection) from() reach {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reach
}

func newConnections(o Options, l limits) *connections {
	return &connections{hosts: o.Hosts, certDirs: o.CertDirs, files: o.Files, limits: l, known: map[string]*connection{}}
}

// to returns the connection to a host that the user has named.
func (c *connections) to(host string) (*connection, error) { return c.named(host, "", false) }

// named returns the connection to a host that a registry has named, unless by
// is empty: its token service, or a storage. It goes only where the registry
// may send somebody. A host with settings of its own is one that the user has
// named. A definition names the authority of its registry; who runs both signs
// the token service with it too.
func (c *connections) named(host, by string, tokens bool) (*connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	settings, own := c.hosts.of(host)
	name, like := host, host
	var guard func(netip.Addr) error
	if by != "" && by != host && !own {
		name = host + " by " + by
		if tokens {
			name, like = host+" of "+by, by
			settings, _ = c.hosts.of(by)
		}
		guard = func(at netip.Addr) error {
			if !c.reachOf(by).mayName(reachOf(at)) {
				return &reachError{host, by, at}
			}
			return nil
		}
		if ip, err := netip.ParseAddr((&url.URL{Host: host}).Hostname()); err == nil && !c.lockedReachOf(by).mayName(reachOf(ip)) {
			return nil, &reachError{host, by, ip} // a proxy would not look at it
		}
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
	made := &connection{reach: nameReach(host)}
	standard := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: made.dialer(net.Dialer{
			Timeout:   c.limits.answer,
			KeepAlive: c.limits.answer,
		}, host, guard, c.lookup),
		TLSClientConfig:       tlsConfig,
		TLSHandshakeTimeout:   c.limits.answer,
		ResponseHeaderTimeout: c.limits.answer,
		MaxIdleConnsPerHost:   CopyConcurrency,
		IdleConnTimeout:       c.limits.stored,
		// HTTP/2 stays off, as in BuildKit: its flow control slows uploads.
	}
	uploads := standard.Clone()
	uploads.ResponseHeaderTimeout = c.limits.stored
	made.plain = settings.PlainHTTP || !settings.usesTLS() && isLoopback(host)
	made.unsure = settings.PlainHTTP && settings.Insecure
	made.standard, made.uploads = standard, uploads
	c.known[name] = made
	return made, nil
}

// reachOf is from where a registry was found to be spoken to, as far as its
// name tells before it was.
func (c *connections) reachOf(host string) reach {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lockedReachOf(host)
}

func (c *connections) lockedReachOf(host string) reach {
	if known, ok := c.known[host]; ok {
		return known.from()
	}
	return nameReach(host)
}

// plainHTTP reports whether the host is spoken to without TLS. It asks the
// host, once, where the settings leave it open.
func (c *connections) plainHTTP(ctx context.Context, host string) (bool, error) {
	to, err := c.to(host)
	if err != nil || !to.unsure {
		return to != nil && to.plain, err
	}
	to.probe.Do(func() { to.plain = !speaksTLS(ctx, to.standard, host) })
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
	return err == nil && !speaksTLS(ctx, to.standard, host)
}

// speaksTLS reports whether TLS is spoken at host. In doubt it is, so that the
// request that follows fails with the reason.
func speaksTLS(ctx context.Context, transport *http.Transport, host string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/v2/", nil)
	if err != nil {
		return true
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
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
	name := hostName(host)
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

// hostName is the host without its port and without the brackets of an IPv6
// address.
func hostName(host string) string {
	if net.ParseIP(host) != nil {
		return host // an IPv6 address without brackets
	}
	name, _ := registry.CutPort(host)
	return strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
}
