package registry

import (
	"cmp"
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

// LoginVariables are the names of the variables that a Login is read from.
type LoginVariables struct{ Host, Username, Password string }

// givenVariables are those of Inputs.Given.
var givenVariables = LoginVariables{"SLIPWAY_REGISTRY_HOST", "SLIPWAY_REGISTRY_USERNAME", "SLIPWAY_REGISTRY_PASSWORD"}

// check fails when a part is missing.
func (l Login) check() error {
	missing := ""
	switch {
	case (l.Username == "") == (l.Password == ""):
		return nil
	case l.Username == "":
		missing = givenVariables.Username
	default:
		missing = givenVariables.Password
	}
	return &fault.Usage{Flag: missing, Problem: "is not set, and its counterpart is", Hint: "set SLIPWAY_REGISTRY_USERNAME and SLIPWAY_REGISTRY_PASSWORD, or neither"}
}

// Finder is the login as a source; names are the variables that it was read
// from, tagHosts are the registries of the tags that are pushed.
func (l Login) Finder(names LoginVariables, tagHosts []string) Finder {
	return loginFinder{l, names, distinct(tagHosts)}
}

type loginFinder struct {
	Login
	names    LoginVariables
	tagHosts []string
}

// Find implements Finder. A login without a host goes to the one registry that
// is pushed to, and to none when there are several: one of them would learn the
// password of another.
func (f loginFinder) Find(_ context.Context, r Request) (Credential, error) {
	switch {
	case f.empty():
		return Credential{}, nil
	case f.Host != "" && !sameHost(parseKey(f.Host).host, r.Host):
		return Credential{}, nil
	case f.Host == "" && (len(f.tagHosts) != 1 || !sameHost(f.tagHosts[0], r.Host)):
		return Credential{}, &PassedOver{f.namesNoRegistry(r.Host)}
	case f.Username == "":
		return Credential{}, &PassedOver{fmt.Sprintf("%s is set and %s is empty", f.names.Password, f.names.Username)}
	case f.Password == "":
		return Credential{}, &PassedOver{fmt.Sprintf("%s is set and %s is empty", f.names.Username, f.names.Password)}
	}
	return Credential{Username: f.Username, Password: f.Password, Source: f.names.Password}, nil
}

func (f loginFinder) empty() bool { return f.Username == "" && f.Password == "" }

// namesNoRegistry is why a login without a host is not used for a registry;
// an empty host is none in particular.
func (f loginFinder) namesNoRegistry(host string) string {
	set := f.names.Username
	if f.Username == "" {
		set = f.names.Password
	}
	why := set + " is set but names no registry"
	switch len(f.tagHosts) {
	case 0:
	case 1:
		why += fmt.Sprintf(" and serves %s, which the tags name", f.tagHosts[0])
	default:
		why += ", and the tags name several: " + strings.Join(f.tagHosts, ", ")
	}
	why += fmt.Sprintf(": set %s=%s", f.names.Host, cmp.Or(host, "HOST"))
	if host != "" {
		why += " if it is for that registry"
	}
	return why
}

// Unplaced implements Unplacer.
func (f loginFinder) Unplaced() string {
	if f.empty() || f.Host != "" || len(f.tagHosts) > 0 {
		return ""
	}
	return f.namesNoRegistry("")
}

// Only implements Limited.
func (f loginFinder) Only(r Request) string {
	if f.Host != "" {
		return ""
	}
	return fmt.Sprintf("used where a tag names %[2]s and nowhere else: set %[1]s=%[2]s to use it everywhere", f.names.Host, r.Host)
}

// Registries implements Lister.
func (f loginFinder) Registries(_ context.Context) []string {
	switch {
	case f.empty():
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
