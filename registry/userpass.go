package registry

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/internal/fault"
)

// Login is a user name and a password in variables, as pipelines hand them
// over.
type Login struct {
	// Host is host[:port], or a URL or reference that begins with it. When it
	// is empty the tags that are built name the registry.
	Host     string
	Username string
	Password string
}

// check fails when a part is missing.
func (l Login) check() error {
	missing := ""
	switch {
	case (l.Username == "") == (l.Password == ""):
		return nil
	case l.Username == "":
		missing = "SLIPWAY_REGISTRY_USERNAME"
	default:
		missing = "SLIPWAY_REGISTRY_PASSWORD"
	}
	return &fault.Usage{Flag: missing, Problem: "is not set, and its counterpart is", Hint: "set SLIPWAY_REGISTRY_USERNAME and SLIPWAY_REGISTRY_PASSWORD, or neither"}
}

// Finder is the login as a source; variable is where the password stands,
// tagHosts are the registries of the tags that are pushed.
func (l Login) Finder(variable string, tagHosts []string) Finder {
	return loginFinder{l, variable, distinct(tagHosts)}
}

type loginFinder struct {
	Login
	variable string
	tagHosts []string
}

// Find implements Finder. A login without a host goes to the one registry that
// is pushed to, and to none when there are several: one of them would learn the
// password of another.
func (f loginFinder) Find(_ context.Context, r Request) (Credential, error) {
	if f.Username == "" && f.Password == "" {
		return Credential{}, nil
	}
	hosts := f.tagHosts
	if f.Host != "" {
		hosts = []string{parseKey(f.Host).host}
	}
	if !slices.ContainsFunc(hosts, func(host string) bool { return sameHost(host, r.Host) }) {
		if len(hosts) == 0 {
			return Credential{}, &PassedOver{"nothing says for which registry it is: no host is set and there are no tags"}
		}
		return Credential{}, nil
	}
	if len(hosts) > 1 {
		return Credential{}, &PassedOver{fmt.Sprintf("no host is set, and the tags name several registries: %s", strings.Join(hosts, ", "))}
	}
	if f.Username == "" || f.Password == "" {
		return Credential{}, &PassedOver{"the user name or the password is empty"}
	}
	return Credential{Username: f.Username, Password: f.Password, Source: f.variable}, nil
}

// Registries implements Lister.
func (f loginFinder) Registries(_ context.Context) []string {
	switch {
	case f.Username == "" && f.Password == "":
		return nil
	case f.Host != "":
		return []string{parseKey(f.Host).host}
	}
	return f.tagHosts
}

// distinct are hosts by their one name, each once.
func distinct(hosts []string) []string {
	var out []string
	for _, host := range hosts {
		if host = canonicalHost(host); !slices.Contains(out, host) {
			out = append(out, host)
		}
	}
	return out
}

// sameHost reports whether two spellings mean one registry: Docker Hub has
// several, letters may be of either case, and 443 is the port of TLS anyway.
func sameHost(a, b string) bool { return withoutPort443(a) == withoutPort443(b) }

func withoutPort443(host string) string {
	return strings.TrimSuffix(canonicalHost(strings.ToLower(host)), ":443")
}
