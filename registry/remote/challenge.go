package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	dockerauth "github.com/containerd/containerd/v2/core/remotes/docker/auth"

	"github.com/slipway-build/slipway/registry"
)

// challengeTimeout bounds the question to a registry how it asks for
// credentials; who asks for a token has a minute.
const challengeTimeout = 15 * time.Second

// challenge is how a registry asks for credentials, as it says itself.
type challenge struct {
	// realm and service are those of its token service; realm is empty without
	// one.
	realm, service string
	// basic says that it takes passwords itself.
	basic bool
}

// challenges are those of registries, each asked for once.
type challenges struct {
	mu     sync.Mutex
	done   map[string]*challengeAnswer
	warned map[string]bool
}

// challengeAnswer is what a registry answered, once over is true.
type challengeAnswer struct {
	mu    sync.Mutex
	over  bool
	found challenge
	err   error
}

// challenge asks a registry how it wants to be asked, without a credential. What a
// builder says of it is not relied upon: builders run other people's code. The
// request names the repository and the right, for some registries ask for a
// credential only there.
func (c *Client) challenge(ctx context.Context, r registry.Request) (challenge, error) {
	key := fmt.Sprintf("%s %t", r, r.Push)
	c.challenges.mu.Lock()
	if c.challenges.done == nil {
		c.challenges.done = map[string]*challengeAnswer{}
	}
	one, ok := c.challenges.done[key]
	if !ok {
		one = &challengeAnswer{}
		c.challenges.done[key] = one
	}
	c.challenges.mu.Unlock()

	one.mu.Lock()
	defer one.mu.Unlock()
	if one.over {
		return one.found, one.err
	}
	found, err := c.requestChallenge(ctx, r)
	if ctx.Err() != nil {
		return challenge{}, ctx.Err()
	}
	one.over, one.found, one.err = true, found, err
	return found, err
}

func (c *Client) requestChallenge(ctx context.Context, r registry.Request) (challenge, error) {
	ctx, cancel := context.WithTimeout(once(ctx), min(challengeTimeout, c.limits.answer))
	defer cancel()
	schemes := []string{"https"}
	if c.connections.withoutTLS(ctx, r.Host) {
		// A registry on this machine is taken for one without TLS.
		schemes = []string{"http", "https"}
	}
	places := []struct{ method, path string }{{http.MethodGet, "/v2/"}}
	if r.Repository != "" {
		places = append(places, struct{ method, path string }{http.MethodGet, "/v2/" + r.Repository + "/manifests/latest"})
	}
	if r.Repository != "" && r.Push {
		places = append(places, struct{ method, path string }{http.MethodPost, "/v2/" + r.Repository + "/blobs/uploads/"})
	}
	for _, scheme := range schemes {
		for _, place := range places {
			found, err := c.challengeAt(ctx, place.method, url.URL{Scheme: scheme, Host: r.Host, Path: place.path})
			if err != nil || found != (challenge{}) {
				return found, err
			}
		}
	}
	return challenge{}, errors.New("it asks this agent for no credential")
}

// challengeAt is the challenge of one request, the zero challenge for none.
func (c *Client) challengeAt(ctx context.Context, method string, target url.URL) (challenge, error) {
	var found challenge
	request, err := http.NewRequestWithContext(ctx, method, target.String(), nil)
	if err != nil {
		return found, err
	}
	response, err := c.auth.client.Do(request)
	if err != nil {
		return found, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized || !sameOrigin(&target, response.Request.URL) {
		return found, nil
	}
	for _, said := range dockerauth.ParseAuthHeader(response.Header) {
		switch {
		case said.Scheme == dockerauth.BasicAuth:
			found.basic = true
		case said.Scheme == dockerauth.BearerAuth && found.realm == "":
			found.realm, found.service = said.Parameters["realm"], said.Parameters["service"]
		}
	}
	return found, nil
}

// TakesPassword reports whether a registry may be sent the password itself:
// unless it is seen to want tokens and nothing else.
func (c *Client) TakesPassword(ctx context.Context, host string) bool {
	found, err := c.challenge(ctx, registry.Request{Host: host})
	return err != nil || found.basic
}

// verified is a request for a token as the registry itself words it. Where the
// registry does not do so to this agent, unverified says why, and the service is
// only what a builder has named.
func (c *Client) verified(ctx context.Context, r TokenRequest) (verified TokenRequest, unverified error) {
	found, err := c.challenge(ctx, registry.ScopedRequest(r.Host, r.Scopes))
	if err == nil && found.realm == "" {
		err = errors.New("it asks this agent for a password and not for a token")
	}
	if err != nil {
		if ctx.Err() == nil {
			c.warnUnverified(r, err)
		}
		return r, &unverifiedError{r.Host, bareURL(r.Realm), err}
	}
	if found.realm != r.Realm {
		c.log.Debug().Str("registry", r.Host).Str("said", bareURL(r.Realm)).Str("found", bareURL(found.realm)).
			Msg("the builder names another token service than the registry")
		r.Service = found.service
	}
	r.Realm = found.realm
	return r, nil
}

// warnUnverified tells, once for a registry, that it cannot be asked.
func (c *Client) warnUnverified(r TokenRequest, err error) {
	c.challenges.mu.Lock()
	warned := c.challenges.warned[r.Host]
	if c.challenges.warned == nil {
		c.challenges.warned = map[string]bool{}
	}
	c.challenges.warned[r.Host] = true
	c.challenges.mu.Unlock()
	if !warned {
		c.log.Warn().Str("registry", r.Host).Str("reason", bareError(err)).Str("service", bareURL(r.Realm)).
			Msg("the registry does not tell this agent which token service it has: a credential is sent to the registry's own host only")
	}
}

// onItself reports whether a token service is on the host of its registry, so
// that a credential for the registry stays there.
func onItself(host string, realm *url.URL) bool {
	return realm.Scheme == "https" && strings.EqualFold(realm.Hostname(), (&url.URL{Host: host}).Hostname())
}

// unverifiedError is a token service that only the builder has named.
type unverifiedError struct {
	registry, service string
	err               error
}

// Error implements error.
func (e *unverifiedError) Error() string {
	return fmt.Sprintf("only the builder says that %s is the token service of %s, no credential is sent there: %s", e.service, e.registry, bareError(e.err))
}

// Unwrap returns why the registry could not be asked.
func (e *unverifiedError) Unwrap() error { return e.err }

// bareURL is a URL for messages: scheme, host and path.
func bareURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "?"
	}
	return u.Scheme + "://" + u.Host + u.Path
}
