package remote

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
)

// reach is from where an address can be spoken to. What one registry names, its
// token service or a storage, may not lead an agent to where the registry
// itself is not: any image that is built from may name any URL.
type reach int

const (
	// reachAll is a public address.
	reachAll reach = iota
	// reachInside is an address of a private network.
	reachInside
	// reachLink is an address of this link only, where clouds hand out the
	// credentials of their machines.
	reachLink
	// reachMachine is this machine itself.
	reachMachine
)

func (r reach) String() string {
	return [...]string{"a public address", "an address of a private network", "an address of this link or of a cloud's metadata service", "this machine"}[r]
}

// mayName reports whether somebody there may send others to an address.
func (r reach) mayName(other reach) bool {
	return other == reachAll || other == r || other == reachInside && r != reachAll
}

var (
	// metadata are services of clouds that are not at link-local addresses.
	metadata = []netip.Addr{
		netip.MustParseAddr("fd00:ec2::254"),   // Amazon
		netip.MustParseAddr("168.63.129.16"),   // Azure
		netip.MustParseAddr("100.100.100.200"), // Alibaba
		netip.MustParseAddr("192.0.0.192"),     // Oracle
	}
	shared  = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	thisNet = netip.MustParsePrefix("0.0.0.0/8")     // which the kernel takes for this machine
	nat64   = netip.MustParsePrefix("64:ff9b::/96")  // RFC 6052
)

func reachOf(ip netip.Addr) reach {
	ip = ip.Unmap().WithZone("")
	if nat64.Contains(ip) {
		all := ip.As16()
		ip = netip.AddrFrom4([4]byte(all[12:]))
	}
	switch {
	case ip.IsLoopback(), ip.IsUnspecified(), thisNet.Contains(ip):
		return reachMachine
	case ip.IsLinkLocalUnicast(), ip.IsMulticast(), slices.Contains(metadata, ip):
		return reachLink
	case ip.IsPrivate(), shared.Contains(ip):
		return reachInside
	}
	return reachAll
}

// nameReach is the reach of a host whose name alone tells it, reachAll of all
// others.
func nameReach(host string) reach {
	if isLoopback(host) {
		return reachMachine
	}
	if ip, err := netip.ParseAddr(hostName(host)); err == nil {
		return reachOf(ip)
	}
	return reachAll
}

// reachError is a host that somebody named who may not send an agent there.
type reachError struct {
	host, namedBy string
	at            netip.Addr
}

// Error implements error.
func (e *reachError) Error() string {
	return fmt.Sprintf("%s is at %s (%s), where %s is not and may send nobody", e.host, reachOf(e.at), e.at, e.namedBy)
}

// Hints says what to do about the error.
func (e *reachError) Hints() []string {
	return []string{fmt.Sprintf("if %s belongs to %s, say so with a table of its own in buildkitd.toml of the builder's definition: [registry.%q]", e.host, e.namedBy, e.host)}
}

// dialer connects to a host and remembers where it is. With a guard only the
// addresses that it accepts are connected to, after the name was looked up, so
// that no name server can help. A proxy, which the agent's environment names,
// is not subject to it.
func (c *connection) dialer(dial net.Dialer, host string, guard func(netip.Addr) error, lookup func(string) (string, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	proxies := proxiesFor(host)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		proxied := slices.Contains(proxies, address)
		if lookup != nil {
			var err error
			if address, err = lookup(address); err != nil {
				return nil, err
			}
		}
		dial := dial
		if !proxied && guard != nil {
			dial.Control = func(_, resolved string, _ syscall.RawConn) error {
				to, err := netip.ParseAddrPort(resolved)
				if err != nil {
					return err
				}
				return guard(to.Addr())
			}
		}
		conn, err := dial.DialContext(ctx, network, address)
		if err == nil && !proxied {
			if at, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
				c.at(reachOf(at.AddrPort().Addr()))
			}
		}
		return conn, err
	}
}

// proxiesFor are the addresses of the proxies through which a host is spoken
// to.
func proxiesFor(host string) []string {
	var all []string
	for _, scheme := range []string{"http", "https"} {
		proxy, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: scheme, Host: host}})
		if err != nil || proxy == nil {
			continue
		}
		port := proxy.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[proxy.Scheme]
		}
		all = append(all, net.JoinHostPort(proxy.Hostname(), port))
	}
	return all
}
