package registry

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"
)

// Keychain finds the credential for a registry.
type Keychain interface {
	// Resolve returns the credential for the registry at host (host[:port],
	// as a request would go to it). The zero Credential means: ask
	// anonymously. It is asked anew for every request, so that short-lived
	// credentials stay fresh, and is safe for concurrent use.
	Resolve(ctx context.Context, host string) (Credential, error)
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
	return c.Username == "" && c.Password == "" && c.IdentityToken == "" && c.RegistryToken == ""
}

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

// source is one place where credentials are looked for.
type source interface {
	// credential returns the zero Credential when the source has none for
	// the registry.
	credential(ctx context.Context, host string) (Credential, error)
}

// Docker returns the keychain of a docker config. The log receives one
// warning per credential helper that is configured but not installed.
func Docker(config *DockerConfig, log zerolog.Logger) Keychain {
	return chain{
		// In the order in which they are asked, which is docker's: a helper
		// for this registry, the helper for all, the file itself.
		newHelpers(config, log),
		fileAuths{config},
	}
}

// chain asks its sources in order and takes the first credential.
type chain []source

// Resolve implements Keychain.
func (c chain) Resolve(ctx context.Context, host string) (Credential, error) {
	for _, s := range c {
		cred, err := s.credential(ctx, host)
		if err != nil {
			return Credential{}, err
		}
		if !cred.Anonymous() {
			return cred, nil
		}
	}
	return Credential{}, nil
}
