package scenarios

import (
	"net/netip"
	"slices"
	"testing"
)

// urlHost is an address as it stands in URLs and in references of images.
func urlHost(ip string) string {
	if address, err := netip.ParseAddr(ip); err == nil && address.Is6() {
		return "[" + ip + "]"
	}
	return ip
}

// everyAddress stands for all addresses of a pod where it listens.
func (s *space) everyAddress() string {
	if s.Bed.Families == "ipv6" {
		return "[::]"
	}
	return "0.0.0.0"
}

// filterOf is the program whose rules filter packets with the addresses of a rule.
func filterOf(rule []string) string {
	if slices.ContainsFunc(rule, func(arg string) bool { return urlHost(arg) != arg }) {
		return "ip6tables"
	}
	return "iptables"
}

func TestFamilies(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{"10.0.0.1": "10.0.0.1 iptables", "fd00::1": "[fd00::1] ip6tables"} {
		if got := urlHost(ip) + " " + filterOf([]string{"-d", ip, "--dport", "1234"}); got != want {
			t.Errorf("%s: %q, want %q", ip, got, want)
		}
	}
}
