package remote

import (
	"context"
	"fmt"

	"github.com/slipway-build/slipway/registry"
)

// RepositoryToken fetches a token for one repository with the keychain's credential,
// for somebody who may have that and no more. A registry that takes passwords itself
// has no such token.
func (c *Client) RepositoryToken(ctx context.Context, r registry.Request) (Token, error) {
	found, err := c.challenge(ctx, r)
	if err != nil {
		return Token{}, fmt.Errorf("ask %s for its token service: %w", r.Host, err)
	}
	if found.realm == "" {
		return Token{}, fmt.Errorf("%s takes passwords and no tokens, and a password is not given out", r.Host)
	}
	actions := "pull"
	if r.Push {
		actions = "pull,push"
	}
	return c.Token(ctx, TokenRequest{
		Host: r.Host, Realm: found.realm, Service: found.service,
		Scopes: []string{"repository:" + r.Repository + ":" + actions},
	})
}
