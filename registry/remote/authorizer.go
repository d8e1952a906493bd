package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	dockerauth "github.com/containerd/containerd/v2/core/remotes/docker/auth"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/slipway-build/slipway/registry"
)

// clientID is the name by which a token service may tell clients apart.
const clientID = "slipway"

// authorizer sends requests with the credentials that registries ask for.
//
// oras-go's own client (2.7) is not used: it asks for one credential for each
// host, while a repository may have one of its own, and it does not tell which
// source a credential came from and whether the token service has taken it.
type authorizer struct {
	keychain registry.Keychain
	client   *http.Client
	tokens   auth.Cache

	mu sync.Mutex
	// sources are where the credential came from, by host; "anonymous" for
	// none. accepted is when a registry or its token service has last taken
	// one, and rejected those that were refused for reading: by host and source.
	sources  map[string]string
	accepted map[[2]string]time.Time
	rejected map[[2]string]bool
}

// acceptedFor is how long a credential that was taken is known to be valid. A
// token of a CI system may end during a build.
const acceptedFor = time.Minute

func newAuthorizer(keychain registry.Keychain, roundTripper http.RoundTripper) *authorizer {
	return &authorizer{
		keychain: keychain,
		client:   &http.Client{Transport: roundTripper, CheckRedirect: dropCredentialElsewhere},
		tokens:   auth.NewCache(),
		sources:  map[string]string{},
		accepted: map[[2]string]time.Time{},
		rejected: map[[2]string]bool{},
	}
}

// Do sends a request; when the registry refuses it for want of a credential,
// it is sent once more with one. Implements oras-go's remote.Client.
func (a *authorizer) Do(original *http.Request) (*http.Response, error) {
	if original.Header.Get("Authorization") != "" {
		return a.client.Do(original)
	}
	ctx, host := original.Context(), original.URL.Host
	scopes := auth.GetAllScopesForHost(ctx, host)
	cached := a.cached(ctx, host, scopes)
	response, err := a.client.Do(withHeader(original, cached))
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		return response, err
	}
	if !sameOrigin(original.URL, response.Request.URL) {
		return response, nil // a storage that refuses is owed no credential
	}
	header, err := a.answer(ctx, original.URL, scopes, dockerauth.ParseAuthHeader(response.Header))
	if err != nil || header == "" || header == cached { // a password that was refused is not sent twice
		if err != nil {
			_ = response.Body.Close()
		}
		return response, err
	}
	_ = response.Body.Close()
	request := withHeader(original, header)
	if request.Body != nil {
		if request.GetBody == nil {
			return nil, fmt.Errorf("%s asked for a credential after an upload had begun", host)
		}
		if request.Body, err = request.GetBody(); err != nil {
			return nil, err
		}
	}
	response, err = a.client.Do(request)
	if err == nil && (response.StatusCode < http.StatusBadRequest || response.StatusCode == http.StatusNotFound) {
		a.accept(host)
	}
	return response, err
}

// cached is the header that the registry accepted before for the same scopes;
// empty for none.
func (a *authorizer) cached(ctx context.Context, host string, scopes []string) string {
	scheme, err := a.tokens.GetScheme(ctx, host)
	if err != nil {
		return ""
	}
	token, err := a.tokens.GetToken(ctx, host, scheme, strings.Join(scopes, " "))
	if err != nil {
		return ""
	}
	return scheme.String() + " " + token
}

// answer is the header that answers a registry's challenges; empty when there
// is nothing to answer with.
func (a *authorizer) answer(ctx context.Context, at *url.URL, scopes []string, challenges []dockerauth.Challenge) (string, error) {
	host := at.Host
	// A password too is kept for its scopes only: another repository of the
	// same registry may have another one.
	key := strings.Join(scopes, " ")
	for _, challenge := range challenges {
		var (
			scheme auth.Scheme
			fetch  func(context.Context) (string, error)
		)
		switch challenge.Scheme {
		case dockerauth.BearerAuth:
			scheme = auth.SchemeBearer
			fetch = func(ctx context.Context) (string, error) { return a.bearer(ctx, at, scopes, challenge) }
		case dockerauth.BasicAuth:
			scheme = auth.SchemeBasic
			fetch = func(ctx context.Context) (string, error) { return a.basic(ctx, registry.ScopedRequest(host, scopes)) }
		default:
			continue
		}
		// Requests that are refused at once share one question.
		token, err := a.tokens.Set(ctx, host, scheme, key, fetch)
		if errors.Is(err, errNoCredential) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		return scheme.String() + " " + token, nil
	}
	return "", nil
}

// errNoCredential says that there is no answer to a challenge.
var errNoCredential = errors.New("no credential")

// credential asks the keychain and notes where the answer came from.
func (a *authorizer) credential(ctx context.Context, r registry.Request) (registry.Credential, error) {
	var cred registry.Credential
	if a.keychain != nil {
		var err error
		if cred, err = a.keychain.Resolve(ctx, r); err != nil {
			return cred, err
		}
	}
	source := "anonymous"
	if !cred.Anonymous() {
		source = cred.Source
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sources[r.Host] = source
	return cred, nil
}

// missed says what was wrong with the keychain's sources, and which of their
// credentials were passed over, when a request to the host stayed anonymous.
func (a *authorizer) missed(host string) (broken []error, passedOver []string) {
	chain, ok := a.keychain.(interface {
		Broken(host string) []error
		PassedOver(host string) []string
	})
	if !ok {
		return nil, nil
	}
	return chain.Broken(host), chain.PassedOver(host)
}

// source is where the credential for host came from, "anonymous" for none and
// empty when the registry did not ask, and whether the registry or its token
// service has just taken the credential.
func (a *authorizer) source(host string) (source string, accepted bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	source = a.sources[host]
	at, ok := a.accepted[[2]string{host, source}]
	return source, ok && time.Since(at) < acceptedFor
}

// accept notes that a registry or its token service has taken the credential
// that was used last for a host.
func (a *authorizer) accept(host string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accepted[[2]string{host, a.sources[host]}] = time.Now()
}

// reject notes that the credential that was used last for a host was refused.
func (a *authorizer) reject(host string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rejected[[2]string{host, a.sources[host]}] = true
}

// isRejected reports whether the credential that was used last for a host was
// refused.
func (a *authorizer) isRejected(host string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rejected[[2]string{host, a.sources[host]}]
}

// unproven reports whether there is a credential for a host of which it is not
// known whether it is valid.
func (a *authorizer) unproven(host string) bool {
	source, accepted := a.source(host)
	return source != "" && source != "anonymous" && !accepted && !a.isRejected(host)
}

func (a *authorizer) basic(ctx context.Context, r registry.Request) (string, error) {
	cred, err := a.credential(ctx, r)
	if err != nil {
		return "", err
	}
	if cred.Username == "" || cred.Password == "" {
		return "", errNoCredential
	}
	request := http.Request{Header: http.Header{}}
	request.SetBasicAuth(cred.Username, cred.Password)
	return strings.TrimPrefix(request.Header.Get("Authorization"), "Basic "), nil
}

func (a *authorizer) bearer(ctx context.Context, at *url.URL, scopes []string, challenge dockerauth.Challenge) (string, error) {
	asked, err := dockerauth.GenerateTokenOptions(ctx, at.Host, "", "", challenge)
	if err != nil {
		return "", fmt.Errorf("%s names a token service without a usable URL", at.Host)
	}
	token, err := a.token(ctx, TokenRequest{
		Host:    at.Host,
		Realm:   asked.Realm,
		Service: asked.Service,
		Scopes:  auth.CleanScopes(slices.Concat(scopes, asked.Scopes)),
	}, nil, func() bool { return at.Scheme == "http" })
	return token.Value, err
}

// withHeader returns a copy of the request with a header Authorization; empty
// is none.
func withHeader(request *http.Request, authorization string) *http.Request {
	request = request.Clone(request.Context())
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	return request
}

// maxRedirects is net/http's own limit.
const maxRedirects = 10

// dropCredentialElsewhere drops the credential from a request that a registry
// sends elsewhere, to its storage mostly. net/http does so for another name
// only, not for another port.
func dropCredentialElsewhere(request *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("stopped after %d redirects", maxRedirects)
	}
	for _, earlier := range append(via[1:], request) {
		if !sameOrigin(via[0].URL, earlier.URL) {
			request.Header.Del("Authorization")
		}
	}
	return nil
}

// refuseOtherOrigin ends a redirect to another origin.
func refuseOtherOrigin(request *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("stopped after %d redirects", maxRedirects)
	}
	if !sameOrigin(via[0].URL, request.URL) {
		return fmt.Errorf("redirected to %s: no credential is sent there", request.URL.Host)
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}
