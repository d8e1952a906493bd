package remote

import (
	"context"

	orasregistry "oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/slipway-build/slipway/registry"
)

// opLogin is the Op of errors of Client.Login.
const opLogin = "log in to"

// Login asks a registry whether it accepts the keychain's credential. A
// registry that asks nobody for one accepts all. The error is an *Error.
func (c *Client) Login(ctx context.Context, s registry.Server) error {
	ref := orasregistry.Reference{Registry: s.Host}
	plain, err := c.connections.plainHTTP(ctx, ref.Host())
	if err == nil {
		r := remote.Registry{RepositoryOptions: remote.RepositoryOptions{Client: c.auth, Reference: ref, PlainHTTP: plain}}
		err = r.Ping(ctx)
	}
	return c.fail(opLogin, s.Host, ref.Host(), err)
}
