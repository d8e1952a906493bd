package solve

import (
	"fmt"
	"net"
	"strings"

	"github.com/tonistiigi/go-csvvalue"

	"github.com/slipway-build/slipway/internal/fault"
)

// hostGateway stands for the address of the machine that runs the builder.
// Only docker's own drivers know such an address.
const hostGateway = "host-gateway"

// ParseAddHost parses one value of --add-host, host:ip or host=ip, several
// separated by commas; an IPv6 address may stand in brackets, and a quoted
// field may list several addresses. It returns host=ip for each. The error is
// a *fault.Usage.
func ParseAddHost(value string) ([]string, error) {
	fail := func(problem, hint string) error {
		return &fault.Usage{Flag: "--add-host", Value: value, Problem: problem, Hint: hint}
	}
	if value == "" {
		return nil, fail("is empty", "")
	}
	fields, err := csvvalue.Fields(value, nil)
	if err != nil {
		return nil, fail(fmt.Sprintf("is not valid CSV: %s", err), "")
	}
	var hosts []string
	for _, field := range fields {
		host, addresses, ok := strings.Cut(field, "=")
		if !ok {
			host, addresses, ok = strings.Cut(field, ":")
		}
		if !ok || host == "" || addresses == "" {
			return nil, fail("is not HOST:IP", "")
		}
		if strings.ContainsAny(host, ",\"\n") {
			return nil, fail(fmt.Sprintf("%q is not a host name", host), "")
		}
		if addresses == hostGateway {
			return nil, fail("host-gateway has no meaning for a builder in Kubernetes", "give the address itself, HOST:IP")
		}
		for address := range strings.SplitSeq(addresses, ",") {
			if inner, ok := strings.CutPrefix(address, "["); ok {
				address = strings.TrimSuffix(inner, "]")
			}
			if net.ParseIP(address) == nil {
				return nil, fail(fmt.Sprintf("%q is not an IP address", address), "")
			}
			hosts = append(hosts, host+"="+address)
		}
	}
	return hosts, nil
}
