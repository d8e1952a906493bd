package registry

import (
	"context"
	"encoding/base64"
)

// Watched is a keychain that tells of every credential before it hands it out,
// so that whoever prints can keep it out of what is printed.
type Watched struct {
	*Chain
	tell func(Credential)
}

// Watch returns the chain with somebody watching. tell must be safe for
// concurrent use.
func Watch(chain *Chain, tell func(Credential)) Watched { return Watched{chain, tell} }

// Resolve implements Keychain.
func (w Watched) Resolve(ctx context.Context, r Request) (Credential, error) {
	cred, err := w.Chain.Resolve(ctx, r)
	if err == nil && !cred.Anonymous() {
		w.tell(cred)
	}
	return cred, err
}

// Secrets are the values by which the credential could be used by others: what
// it holds, and the header of basic authentication and the entry of a docker
// config that are made of it.
func (c Credential) Secrets() []string {
	var all []string
	for _, secret := range []string{c.Password, c.IdentityToken, c.RegistryToken} {
		if secret != "" {
			all = append(all, secret)
		}
	}
	if c.Password != "" {
		all = append(all, base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password)))
	}
	return all
}
