package cluster

import (
	"fmt"
	"slices"
	"strings"
)

// Families are the IP families of pods, services and cluster nodes. Of two, the
// first is the one of status.podIP and of the cluster's own addresses.
type Families string

const (
	// IPv4 has one family.
	IPv4 Families = "ipv4"
	// IPv6 has one family, the other one.
	IPv6 Families = "ipv6"
	// Dual has both, IPv4 first.
	Dual Families = "dual"
)

// ParseFamilies takes what a user names: ipv4, ipv6 or dual; empty is ipv4.
func ParseFamilies(name string) (Families, error) {
	all := []Families{IPv4, IPv6, Dual}
	if name == "" {
		return IPv4, nil
	}
	if !slices.Contains(all, Families(name)) {
		return "", fmt.Errorf("%q names no IP families\nhint: give one of ipv4, ipv6 and dual", name)
	}
	return Families(name), nil
}

// pick returns what is given for the families of the cluster, in their order.
func pick[T any](c Cluster, four, six T) []T {
	switch c.Families {
	case IPv6:
		return []T{six}
	case Dual:
		return []T{four, six}
	default:
		return []T{four}
	}
}

func (c Cluster) list(four, six string) string { return strings.Join(pick(c, four, six), ",") }

// ip is the node's first address.
func (c Cluster) ip(n node) string { return pick(c, n.ip4, n.ip6)[0] }

func (c Cluster) apiAddress() string { return c.ip(nodes[0]) }
