package sidecar

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/moby/buildkit/session/auth"
	"github.com/rs/zerolog"
	"google.golang.org/protobuf/proto"

	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/agent/sidecar/policy"
	"github.com/slipway-build/slipway/agent/sidecar/relay"
	"github.com/slipway-build/slipway/agent/solve/session"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/remote"
)

// Credentials answers daemons that ask for credentials of registries, so that the
// job needs none. What the job brings itself serves for other registries.
type Credentials struct {
	keychain registry.Keychain
	tokens   Tokens
	hosts    map[string]bool
	push     []policy.Pattern
	refused  func() // a push; it may be nil
	log      zerolog.Logger
}

// onRefusal has each refused push told, from before the first question on.
func (c *Credentials) onRefusal(tell func()) {
	if c != nil {
		c.refused = tell
	}
}

// Tokens fetches tokens; *remote.Client does.
type Tokens interface {
	session.Tokens
	// RepositoryToken fetches one for a repository and no more.
	RepositoryToken(ctx context.Context, r registry.Request) (remote.Token, error)
}

// NewCredentials returns what answers for the registries by the keychain. Builds may
// pull from them whatever the credential lets them, and push where a pattern says so:
// HOST/REPOSITORY, in which * stands for one part of the path and a last ** for all
// below, such as registry.example/team/**.
func NewCredentials(keychain registry.Keychain, tokens Tokens, registries, push []string, log zerolog.Logger) (*Credentials, error) {
	c := &Credentials{keychain: keychain, tokens: tokens, hosts: map[string]bool{}, log: log}
	for _, host := range registries {
		c.hosts[registry.CanonicalHost(host)] = true
	}
	var wrong fault.List
	for _, text := range push {
		p, err := policy.ParsePattern(text)
		if err == nil && !c.hosts[p.Host] {
			err = fmt.Errorf("%q: the credentials for %s are not given out: name the registry, too", text, p.Host)
		}
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		c.push = append(c.push, p)
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return c, nil
}

// mayPush reports whether a pattern lets builds push to a repository, HOST/NAME, whose
// host is the canonical one.
func (c *Credentials) mayPush(repository string) bool {
	may := slices.ContainsFunc(c.push, func(p policy.Pattern) bool { return p.Matches(repository) })
	if !may && c.refused != nil {
		c.refused()
	}
	return may
}

// services are those of one session.
func (c *Credentials) services(context.Context) []relay.Service {
	hosts := &session.Hosts{Named: c.hosts, PushTo: c.mayPush, Warn: func(message string) { c.log.Warn().Msg(message) }}
	server, err := session.NewCredentials(c.keychain, c.tokens, hosts, nil)
	if err != nil { // there is no randomness
		c.log.Error().Err(err).Msg("no credentials for a build")
		return nil
	}
	return []relay.Service{{
		Desc:    &auth.Auth_ServiceDesc,
		Impl:    server,
		New:     newAuthRequest,
		Handles: func(m proto.Message) bool { return c.hosts[registry.CanonicalHost(hostOf(m))] },
	}}
}

func newAuthRequest(method string) proto.Message {
	switch method {
	case "Credentials":
		return new(auth.CredentialsRequest)
	case "FetchToken":
		return new(auth.FetchTokenRequest)
	case "GetTokenAuthority":
		return new(auth.GetTokenAuthorityRequest)
	case "VerifyTokenAuthority":
		return new(auth.VerifyTokenAuthorityRequest)
	}
	return nil
}

// hostOf is the registry that a request is about.
func hostOf(m proto.Message) string {
	if about, ok := m.(interface{ GetHost() string }); ok {
		return about.GetHost()
	}
	return ""
}

var (
	errNoCredentials = errors.New("no credentials for the registry are given out here")
	errMayNotPush    = errors.New("builds may not push to the repository: no --allow-push of slipway agent serve names it")
)

// token is one for a repository.
func (c *Credentials) token(ctx context.Context, r registry.Request) (api.Token, error) {
	host := registry.CanonicalHost(r.Host)
	switch {
	case c == nil || !c.hosts[host]:
		return api.Token{}, fmt.Errorf("%s: %w", r.Host, errNoCredentials)
	case r.Push && !c.mayPush(host+"/"+r.Repository):
		return api.Token{}, fmt.Errorf("%s: %w", r, errMayNotPush)
	}
	token, err := c.tokens.RepositoryToken(ctx, r)
	if err != nil {
		return api.Token{}, err
	}
	return api.Token{Token: token.Value, ExpiresIn: int(token.Lifetime.Seconds())}, nil
}

// registries are the hosts, sorted.
func (c *Credentials) registries() []string {
	if c == nil {
		return []string{}
	}
	return slices.Sorted(maps.Keys(c.hosts))
}
