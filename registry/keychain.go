package registry

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Keychain finds the credential for a request to a registry.
type Keychain interface {
	// Resolve returns the credential for a request. The zero Credential
	// means: ask anonymously. It is asked anew for every request, so that
	// short-lived credentials stay fresh, and is safe for concurrent use.
	Resolve(ctx context.Context, r Request) (Credential, error)
}

// Fixed is a keychain with one credential, for the registry that it is tried
// on.
type Fixed Credential

// Resolve implements Keychain.
func (f Fixed) Resolve(context.Context, Request) (Credential, error) { return Credential(f), nil }

// Request says what a credential is wanted for.
type Request struct {
	// Host is host[:port], as a request would go to it.
	Host string
	// Repository is the name in the registry, team/app; empty when it is not
	// known, which any credential for the host serves.
	Repository string
	// Push says that the repository is written to as well.
	Push bool
}

// String names the registry and the repository.
func (r Request) String() string {
	if r.Repository == "" {
		return r.Host
	}
	return r.Host + "/" + r.Repository
}

// ScopedRequest reads the repository out of the scopes of a token, such as
// "repository:team/app:pull,push". Where there are several, as when layers are
// mounted from elsewhere, the one that is written to counts.
func ScopedRequest(host string, scopes []string) Request {
	r := Request{Host: host}
	for _, list := range scopes {
		for scope := range strings.FieldsSeq(list) {
			name, ok := strings.CutPrefix(scope, "repository:")
			end := strings.LastIndexByte(name, ':')
			if !ok || end < 0 || r.Push {
				continue
			}
			actions := strings.Split(name[end+1:], ",")
			push := slices.Contains(actions, "push") || slices.Contains(actions, "*")
			if r.Repository == "" || push {
				r.Repository, r.Push = name[:end], push
			}
		}
	}
	return r
}

// Credential is what a registry accepts. At most one of Password,
// IdentityToken and RegistryToken is used: RegistryToken before
// IdentityToken before Password.
type Credential struct {
	Username string
	Password string
	// IdentityToken is exchanged for an access token (OAuth refresh token).
	IdentityToken string
	// RegistryToken is an access token, sent as it is.
	RegistryToken string
	// Source says where the credential came from, for messages.
	Source string
}

// Anonymous reports whether the credential holds nothing to log in with.
func (c Credential) Anonymous() bool {
	return c.Username == "" && c.secret() == ""
}

// secret is the part of the credential that is used.
func (c Credential) secret() string {
	switch {
	case c.RegistryToken != "":
		return c.RegistryToken
	case c.IdentityToken != "":
		return c.IdentityToken
	}
	return c.Password
}

// Kind says what the secret is: password, identity token or registry token.
func (c Credential) Kind() string {
	switch {
	case c.RegistryToken != "":
		return "registry token"
	case c.IdentityToken != "":
		return "identity token"
	case c.Password != "":
		return "password"
	}
	return ""
}

// Expires is when the secret ends, if it says so itself; else the zero time.
func (c Credential) Expires() time.Time { return expiry(c.secret()) }

// String names user and source, never a secret: a Credential may end up in a
// log line by accident.
func (c Credential) String() string {
	if c.Anonymous() {
		return "anonymous"
	}
	return fmt.Sprintf("user %q from %s", c.Username, c.Source)
}

// GoString is String, so that %#v shows no secret either.
func (c Credential) GoString() string { return c.String() }
