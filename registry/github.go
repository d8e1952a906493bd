package registry

import (
	"context"
	"strings"
)

// githubRegistry is the only registry that a workflow's token is for.
const githubRegistry = "ghcr.io"

// GitHub is what GitHub sets for a job, by the names of its variables.
type GitHub struct {
	// Actions is GITHUB_ACTIONS, "true" in a workflow.
	Actions bool
	// ServerURL is GITHUB_SERVER_URL, Actor GITHUB_ACTOR.
	ServerURL, Actor string
	// Token is GITHUB_TOKEN, which is there only if the workflow passes it on.
	Token string
}

// Find implements Finder.
func (g GitHub) Find(_ context.Context, r Request) (Credential, error) {
	server := strings.TrimSuffix(g.ServerURL, "/")
	switch {
	case !sameHost(r.Host, githubRegistry):
		return Credential{}, nil
	case g.Token == "" && g.Actions:
		return Credential{}, &PassedOver{"the workflow does not pass GITHUB_TOKEN on to this step (env: GITHUB_TOKEN: ${{ github.token }})"}
	case g.Token == "":
		return Credential{}, nil
	case !g.Actions:
		return Credential{}, &PassedOver{"GITHUB_ACTIONS is not true, so GITHUB_TOKEN may be anybody's"}
	case server != "" && server != "https://github.com":
		return Credential{}, &PassedOver{"the token is that of " + server + ", not of github.com"}
	case g.Actor == "":
		return Credential{}, &PassedOver{"GITHUB_ACTOR is empty"}
	}
	return Credential{Username: g.Actor, Password: g.Token, Source: "GITHUB_TOKEN"}, nil
}

// registries implements lister.
func (g GitHub) registries(_ context.Context) []string {
	if !g.Actions || g.Token == "" {
		return nil
	}
	return []string{githubRegistry}
}
