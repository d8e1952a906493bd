package session

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/session/auth"
	"github.com/moby/buildkit/util/progress/progresswriter"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/remote"
)

// tokenLifetime is assumed of a token that does not say how long it holds, as
// the specification of tokens has it.
const tokenLifetime = time.Minute

// Tokens fetches tokens from the token services of registries.
type Tokens interface {
	// Token fetches one with the credential that the keychain has for the
	// registry, from where the registry itself says. Its error holds no secret.
	Token(ctx context.Context, r remote.TokenRequest) (remote.Token, error)
	// TakesPassword reports whether the registry may be sent a password.
	TakesPassword(ctx context.Context, host string) bool
	// Standing finds out whether the keychain's credential is valid and may pull
	// from a repository, host/name, that refused a push. It is over after seconds.
	Standing(ctx context.Context, repository string) remote.Standing
}

// Credentials answers the daemon's requests for registry credentials from a
// keychain. Tokens are fetched on the agent, so passwords stay there as long
// as the registry speaks OAuth.
//
// BuildKit's own does not serve: it takes certificates of token services only
// from files, keeps them for all services after the first, and keeps its seed
// in the home directory, which an agent may not be able to write.
type Credentials struct {
	auth.UnimplementedAuthServer
	keychain registry.Keychain // nil is anonymous
	hosts    *Hosts            // nil is all
	tokens   Tokens
	seed     []byte
	send     progresswriter.Logger // nil when nobody reads

	mu    sync.Mutex
	shown map[string]bool
	// refused are the latest failures to fetch a token, by host.
	refused map[string]error
	// fault is a panic of an answer to the daemon.
	fault error
}

// NewCredentials returns what serves a keychain to a daemon; a nil keychain is
// anonymous. Nil tokens are a client that knows no certificates of registries.
// The daemon gets credentials for the hosts only; nil is all. The steps "[auth] …"
// that the display shows go to send, which may be nil.
func NewCredentials(keychain registry.Keychain, tokens Tokens, hosts *Hosts, send progresswriter.Logger) (*Credentials, error) {
	c := &Credentials{
		keychain: keychain,
		hosts:    hosts,
		tokens:   tokens,
		seed:     make([]byte, 32),
		send:     send,
		shown:    map[string]bool{},
		refused:  map[string]error{},
	}
	if c.tokens == nil {
		c.tokens = remote.New(remote.Options{Keychain: keychain})
	}
	_, err := rand.Read(c.seed)
	return c, err
}

// Register implements session.Attachable.
func (c *Credentials) Register(server *grpc.Server) { auth.RegisterAuthServer(server, c) }

// resolve is the credential that a builder may have; anonymous for hosts that
// the build does not name.
func (c *Credentials) resolve(ctx context.Context, r registry.Request) (registry.Credential, error) {
	if c.keychain == nil {
		return registry.Credential{}, nil
	}
	cred, err := c.keychain.Resolve(ctx, r)
	if err != nil || cred.Anonymous() {
		return cred, err
	}
	c.hosts.warnHost(r.Host)
	if !c.hosts.allows(r.Host) {
		return registry.Credential{}, nil
	}
	return cred, nil
}

// Credentials implements auth.AuthServer. The daemon asks for a password only
// where the registry takes nothing else.
func (c *Credentials) Credentials(ctx context.Context, req *auth.CredentialsRequest) (_ *auth.CredentialsResponse, err error) {
	defer c.catch(&err)
	cred, err := c.resolve(ctx, registry.Request{Host: req.Host})
	if err != nil {
		return nil, err
	}
	response := &auth.CredentialsResponse{Username: cred.Username, Secret: cred.Password}
	if cred.IdentityToken != "" {
		response.Username, response.Secret = "", cred.IdentityToken
	}
	if response.Secret != "" && !c.tokens.TakesPassword(ctx, req.Host) {
		return &auth.CredentialsResponse{}, nil // a builder that asks all the same is not BuildKit
	}
	if response.Secret != "" {
		err = c.step("[auth] sharing credentials for "+req.Host, func() error { return nil })
	}
	return response, err
}

// errNoToken ends a step whose reason is printed as the error of the build.
var errNoToken = errors.New("no token")

// FetchToken implements auth.AuthServer.
func (c *Credentials) FetchToken(ctx context.Context, req *auth.FetchTokenRequest) (_ *auth.FetchTokenResponse, err error) {
	defer c.catch(&err)
	scopes, refused := c.hosts.narrow(req.Host, req.Scopes)
	cred, err := c.resolve(ctx, registry.ScopedRequest(req.Host, scopes))
	if err != nil {
		return nil, err
	}
	if err := c.named(req.Host); err != nil {
		return nil, err
	}
	if !cred.Anonymous() {
		c.hosts.warnScopes(req.Host, refused)
	}
	var token remote.Token
	fetch := func() (err error) {
		token, err = c.tokens.Token(ctx, remote.TokenRequest{
			Host: req.Host, Realm: req.Realm, Service: req.Service, Scopes: scopes,
			Anonymous: cred.Anonymous(),
		})
		return err
	}
	what := "anonymous"
	if cred.Anonymous() {
		err = fetch()
	} else {
		what = "oauth"
		err = c.step(fmt.Sprintf("[auth] %s token for %s", scopeNames(scopes), req.Host), fetch)
	}
	c.note(req.Host, err)
	if err != nil {
		return nil, fmt.Errorf("failed to fetch %s token: %w", what, err)
	}
	return tokenResponse(token), nil
}

// named is an error for a host that the build does not name. It has the code of
// a client that fetches no tokens, at which BuildKit fetches one itself, for
// nobody: a builder does not choose whom the agent asks.
func (c *Credentials) named(host string) error {
	if c.hosts.allows(host) {
		return nil
	}
	return status.Errorf(codes.Unimplemented, "this build does not name %s", host)
}

// catch turns a panic into the error of Panicked: gRPC, which calls
// the methods, would let it end the process.
func (c *Credentials) catch(err *error) {
	// recover works in a deferred function only, and not in what that calls.
	if thrown := recover(); thrown != nil {
		*err = fault.Caught(thrown)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.fault = *err
	}
}

// Panicked is the panic of an answer to the daemon, which only quotes it; nil
// when there was none.
func (c *Credentials) Panicked() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fault
}

// scopeNames are scopes as they are shown: library/alpine:pull.
func scopeNames(scopes []string) string {
	names := make([]string, len(scopes))
	for i, scope := range scopes {
		names[i] = strings.TrimPrefix(scope, "repository:")
	}
	return strings.Join(names, " ")
}

// tokenResponse is a token in BuildKit's terms: seconds, and when it was
// issued, without which the daemon counts from now.
func tokenResponse(token remote.Token) *auth.FetchTokenResponse {
	lifetime := token.Lifetime
	if lifetime <= 0 {
		lifetime = tokenLifetime
	}
	response := &auth.FetchTokenResponse{Token: token.Value, ExpiresIn: int64(lifetime / time.Second)}
	if !token.Issued.IsZero() {
		response.IssuedAt = token.Issued.Unix()
	}
	return response
}

// step does work and shows it, once under a name however often it is done.
func (c *Credentials) step(name string, work func() error) (err error) {
	c.mu.Lock()
	quiet := c.shown[name] || c.send == nil
	c.shown[name] = true
	c.mu.Unlock()
	if quiet {
		return work()
	}
	_ = progresswriter.Wrap(name, c.send, func(progresswriter.SubLogger) error {
		if err = work(); err != nil {
			return errNoToken
		}
		return nil
	})
	return err
}

// note keeps why a registry gave no token; the daemon passes on the text only.
func (c *Credentials) note(host string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		delete(c.refused, host)
		return
	}
	c.refused[host] = err
}

// refusal is the error that a solve's error quotes, if there is one.
func (c *Credentials) refusal(text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, err := range c.refused {
		if strings.Contains(text, err.Error()) {
			return err
		}
	}
	return nil
}

// GetTokenAuthority implements auth.AuthServer.
func (c *Credentials) GetTokenAuthority(ctx context.Context, req *auth.GetTokenAuthorityRequest) (*auth.GetTokenAuthorityResponse, error) {
	key, err := c.authority(ctx, req.Host, req.Salt)
	if err != nil {
		return nil, err
	}
	return &auth.GetTokenAuthorityResponse{PublicKey: key[32:]}, nil
}

// VerifyTokenAuthority implements auth.AuthServer.
func (c *Credentials) VerifyTokenAuthority(ctx context.Context, req *auth.VerifyTokenAuthorityRequest) (*auth.VerifyTokenAuthorityResponse, error) {
	key, err := c.authority(ctx, req.Host, req.Salt)
	if err != nil {
		return nil, err
	}
	// The daemon opens it with NaCl's crypto_sign_open, whose messages are an
	// Ed25519 signature and the payload: https://nacl.cr.yp.to/sign.html
	return &auth.VerifyTokenAuthorityResponse{Signed: append(ed25519.Sign(key, req.Payload), req.Payload...)}, nil
}

// authority is the key by which the daemon knows that two requests come from
// a client with the same rights at a registry: anonymous clients share one. A
// credential for any of its repositories makes a client of its own, for the
// daemon would hand the tokens of that client to all others.
func (c *Credentials) authority(ctx context.Context, host string, salt []byte) (ed25519.PrivateKey, error) {
	cred, err := c.resolve(ctx, registry.Request{Host: host})
	if err != nil {
		return nil, err
	}
	if err := c.named(host); err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, salt)
	if !cred.Anonymous() {
		mac.Write(c.seed)
		mac.Write([]byte(host))
	}
	return ed25519.NewKeyFromSeed(mac.Sum(nil)[:ed25519.SeedSize]), nil
}
