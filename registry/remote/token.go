package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	dockerauth "github.com/containerd/containerd/v2/core/remotes/docker/auth"
	remoteserrors "github.com/containerd/containerd/v2/core/remotes/errors"

	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// TokenRequest is what a registry asks its clients to fetch from its token
// service.
type TokenRequest struct {
	// Host is the registry, host[:port] as a request goes to it.
	Host string
	// Realm is the URL of the token service, Service the registry's name there.
	Realm, Service string
	// Scopes are what the token is for: repository:NAME:pull,push.
	Scopes []string
	// Anonymous leaves the keychain out of it.
	Anonymous bool
}

// Token is an access token of a registry.
type Token struct {
	// Value is the token itself, a secret.
	Value string
	// Issued is when, by the service's clock; zero when it does not say.
	Issued time.Time
	// Lifetime is how long it holds from then on; 0 when it does not say.
	Lifetime time.Duration
}

// String shows no secret: a Token may end up in a log line by accident.
func (t Token) String() string { return fmt.Sprintf("token for %s", t.Lifetime) }

// GoString is String, so that %#v shows no secret either.
func (t Token) GoString() string { return t.String() }

// Token fetches a token with the keychain's credential for the registry,
// anonymously when there is none, for somebody who says which token service it
// has: a builder. The registry is asked itself before anything goes there. The
// service is reached as its registry is, unless it has settings of its own.
func (c *Client) Token(ctx context.Context, r TokenRequest) (Token, error) {
	r, unverified := c.verified(ctx, r)
	token, err := c.auth.token(ctx, r, unverified, func() bool { return c.connections.withoutTLS(ctx, r.Host) })
	asked := registry.ScopedRequest(r.Host, r.Scopes)
	op := "authorize"
	if asked.Push {
		op = opAuthorizePush
	}
	return token, c.fail(op, asked.String(), r.Host, err)
}

// opAuthorizePush is the Op of errors of Client.Token for scopes that write.
const opAuthorizePush = "authorize push to"

// token fetches a token. An error unverified says that the registry itself has not
// named the service; plain reports whether it is spoken to without TLS.
func (a *authorizer) token(ctx context.Context, r TokenRequest, unverified error, plain func() bool) (Token, error) {
	var cred registry.Credential
	if !r.Anonymous {
		var err error
		if cred, err = a.credential(ctx, registry.ScopedRequest(r.Host, r.Scopes)); err != nil {
			return Token{}, err
		}
	}
	if cred.RegistryToken != "" {
		return Token{Value: cred.RegistryToken}, nil
	}
	realm, err := url.Parse(r.Realm)
	if err != nil || realm.Host == "" || realm.Scheme != "https" && realm.Scheme != "http" {
		return Token{}, fmt.Errorf("%s names a token service without a usable URL", r.Host)
	}
	if unverified != nil && !cred.Anonymous() && !onItself(r.Host, realm) {
		return Token{}, unverified
	}
	if realm.Scheme == "http" && !plain() {
		return Token{}, fmt.Errorf("%s names a token service without TLS, %s: nothing is sent there", r.Host, realm.Host)
	}
	options := dockerauth.TokenOptions{Realm: realm.String(), Service: r.Service, Scopes: r.Scopes}
	client := *a.client
	client.CheckRedirect = refuseOtherOrigin // the request holds a secret, maybe in its body
	client.Transport = limitedTransport{client.Transport}
	token, err := fetchToken(serving(ctx, r.Host), &client, options, cred)
	if err == nil && !r.Anonymous {
		a.accept(r.Host)
	}
	return token, err
}

// fetchToken fetches a token from a service that is known, with a credential or
// for nobody.
func fetchToken(ctx context.Context, client *http.Client, options dockerauth.TokenOptions, cred registry.Credential) (Token, error) {
	if cred.IdentityToken != "" {
		options.Secret = cred.IdentityToken // without a user it is the grant of a refresh token
		return fetchOAuth(ctx, client, options)
	}
	options.Username, options.Secret = cred.Username, cred.Password
	got, err := dockerauth.FetchToken(ctx, client, nil, options)
	if wantsPost(err) && options.Username != "" && options.Secret != "" {
		return fetchOAuth(ctx, client, options)
	}
	if err != nil {
		return Token{}, &tokenError{serviceHost(options), err}
	}
	return Token{got.Token, got.IssuedAt, seconds(got.ExpiresInSeconds)}, nil
}

// fetchOAuth fetches a token the newer way, which all know for refresh tokens
// and few know only.
func fetchOAuth(ctx context.Context, client *http.Client, options dockerauth.TokenOptions) (Token, error) {
	got, err := dockerauth.FetchTokenWithOAuth(ctx, client, nil, clientID, options)
	if err != nil {
		return Token{}, &tokenError{serviceHost(options), err}
	}
	return Token{got.AccessToken, got.IssuedAt, seconds(got.ExpiresInSeconds)}, nil
}

// serviceHost is the host of a token service.
func serviceHost(options dockerauth.TokenOptions) string {
	if realm, err := url.Parse(options.Realm); err == nil {
		return realm.Host
	}
	return options.Realm
}

// wantsPost reports whether a token service does not know the older way. A
// refusal is none of it: a wrong password sent twice locks accounts sooner.
func wantsPost(err error) bool {
	var status remoteserrors.ErrUnexpectedStatus
	return errors.As(err, &status) &&
		(status.StatusCode == http.StatusNotFound || status.StatusCode == http.StatusMethodNotAllowed)
}

func seconds(n int) time.Duration { return max(0, time.Duration(n)*time.Second) }

// tokenError is a token service that gave no token.
type tokenError struct {
	host string
	err  error
}

func (e *tokenError) Error() string { return fmt.Sprintf("token service %s: %s", e.host, e.err) }
func (e *tokenError) Unwrap() error { return e.err }

// maxToken bounds the answer of a token service, in bytes. A token has some
// kilobytes.
const maxToken = 1 << 20

// limitedTransport ends answers that are longer than a token's.
type limitedTransport struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (s limitedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := s.RoundTripper.RoundTrip(request)
	if err == nil {
		response.Body = &limitedBody{response.Body, maxToken}
	}
	return response, err
}

type limitedBody struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return 0, imageindex.TooLarge(maxToken)
	}
	return n, err
}

type servedKey struct{}

type sentKey struct{}

// sent is a context for requests to where a registry has sent an upload.
func sent(ctx context.Context, registry string) context.Context {
	return context.WithValue(ctx, sentKey{}, registry)
}

// sentBy is the registry that has sent an upload elsewhere; empty for none.
func sentBy(ctx context.Context) string {
	registry, _ := ctx.Value(sentKey{}).(string)
	return registry
}

// serving is a context for requests to a token service of a registry.
func serving(ctx context.Context, registry string) context.Context {
	return context.WithValue(ctx, servedKey{}, registry)
}

// servedBy is the registry that a request to a token service is for; empty for
// a request to a registry itself.
func servedBy(ctx context.Context) string {
	registry, _ := ctx.Value(servedKey{}).(string)
	return registry
}
