package remote

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Standing is what is known of a credential with which a registry has refused a
// push; the zero value is nothing.
type Standing struct {
	// Accepted says that the registry or its token service has just taken it, so
	// that it is valid.
	Accepted bool
	// MayPull says that it was allowed to pull from the repository; it is
	// Accepted then.
	MayPull bool
	// Rejected says that it was refused a pull as well, with 401.
	Rejected bool
}

// Hint says that a credential from a source is valid, and which right to a
// repository, pull or push, it lacks; empty where that is not known.
func (s Standing) Hint(source, right, repository string) string {
	switch {
	case s.MayPull && right == "push":
		return fmt.Sprintf("the credential from %s is valid: it may pull from %s and may not push to it", source, repository)
	case s.Accepted:
		return fmt.Sprintf("the credential from %s is valid; it has no right to %s here, or the repository does not exist", source, right)
	}
	return ""
}

// standingTimeout bounds the requests of Standing: the push has failed anyhow.
const standingTimeout = 10 * time.Second

// Standing finds out whether the keychain's credential is valid and may pull
// from a repository that a registry has refused a push to. Registries answer a
// missing right as they do a wrong password. It sends the credential once, unless
// it knows the answer, and a password that was refused before not again: that
// locks accounts. It is over after some seconds.
func (c *Client) Standing(ctx context.Context, repository string) Standing {
	ctx, cancel := context.WithTimeout(once(ctx), standingTimeout)
	defer cancel()
	repo, host, err := c.repository(ctx, repository)
	if err != nil {
		return Standing{}
	}
	if _, known := c.readable.Load(repo.base); !known && !c.auth.isRejected(host) {
		c.tryPull(ctx, repo, host)
	}
	_, readable := c.readable.Load(repo.base)
	source, accepted := c.auth.source(host)
	accepted = accepted && source != "anonymous"
	return Standing{Accepted: accepted, MayPull: accepted && readable, Rejected: !accepted && c.auth.isRejected(host)}
}

// tryPull asks for a manifest, and for the registry's root where pulls take no
// credential, and notes the answers.
func (c *Client) tryPull(ctx context.Context, repo *repository, host string) {
	root := &url.URL{Scheme: repo.base.Scheme, Host: repo.base.Host, Path: "/v2/"}
	for _, target := range []*url.URL{repo.at("manifests", "latest"), root} {
		response, err := repo.ask(repo.reading(ctx), http.MethodGet, target)
		status, _, _, _ := answerOf(err)
		if err == nil {
			_ = response.Body.Close()
			status = response.StatusCode
		}
		source, _ := c.auth.source(host)
		switch {
		case status == http.StatusUnauthorized && source != "":
			c.auth.reject(host)
		case target != root && (status == http.StatusOK || status == http.StatusNotFound):
			c.readable.Store(repo.base, true)
		}
		if source != "" { // it was asked for
			return
		}
	}
}
