package ci

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-build/slipway/registry"
)

// GitHub is what GitHub Actions sets for a job, and what understands its
// workflows.
type GitHub struct {
	// Actions is "true" in a workflow.
	Actions   string `env:"GITHUB_ACTIONS"`
	ServerURL string `env:"GITHUB_SERVER_URL"`
	// Repository is owner/name.
	Repository string `env:"GITHUB_REPOSITORY"`
	Workspace  string `env:"GITHUB_WORKSPACE"`
	Actor      string `env:"GITHUB_ACTOR"`
	// Token is there only if the workflow passes it on.
	Token string `env:"GITHUB_TOKEN"`
}

// running reports whether the job is one of a workflow.
func (g GitHub) running() bool { return g.Actions == "true" }

func (v Variables) onGitHub() bool { return v.GitHub.running() }

func (v Variables) github() Identity {
	return Identity{Repository: join(v.GitHub.ServerURL, v.GitHub.Repository), Workspace: v.GitHub.Workspace}
}

func (g GitHub) credentials() registry.CredentialSource {
	return registry.CredentialSource{Name: "GitHub", Reads: "GITHUB_TOKEN, GITHUB_ACTOR", Finder: g}
}

// githubCommands are the workflow commands of GitHub Actions
// (https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands).
// Groups do not nest, and the web page folds all of them once they have ended. Values
// are escaped as its toolkit does.
type githubCommands struct{ noCommands }

var (
	githubData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// Begin implements Commands.
func (githubCommands) Begin(_, title string, _ time.Time, folded bool) string {
	if !folded {
		return ""
	}
	return "::group::" + githubData.Replace(title)
}

// End implements Commands.
func (githubCommands) End(string, time.Time) string { return "::endgroup::" }

// Annotate implements Commands.
func (githubCommands) Annotate(a Annotation) string {
	var properties []string
	if a.File != "" {
		properties = append(properties, "file="+githubProperty.Replace(a.File))
		if a.Line > 0 {
			properties = append(properties, fmt.Sprintf("line=%d", a.Line), fmt.Sprintf("endLine=%d", max(a.Line, a.EndLine)))
		}
	}
	if a.Title != "" {
		properties = append(properties, "title="+githubProperty.Replace(a.Title))
	}
	command := "::" + string(a.Level)
	if len(properties) > 0 {
		command += " " + strings.Join(properties, ",")
	}
	return command + "::" + githubData.Replace(a.Message)
}

// Mask implements Commands.
func (githubCommands) Mask(value string) string { return "::add-mask::" + githubData.Replace(value) }

// githubRegistry is the only registry that a workflow's token is for.
const githubRegistry = "ghcr.io"

// Find implements registry.Finder.
func (g GitHub) Find(_ context.Context, r registry.Request) (registry.Credential, error) {
	server := strings.TrimSuffix(g.ServerURL, "/")
	switch {
	case !sameRegistry(r.Host, githubRegistry):
		return registry.Credential{}, nil
	case g.Token == "" && g.running():
		return registry.Credential{}, &registry.PassedOver{Why: "the workflow does not pass GITHUB_TOKEN on to this step (env: GITHUB_TOKEN: ${{ github.token }})"}
	case g.Token == "":
		return registry.Credential{}, nil
	case !g.running():
		return registry.Credential{}, &registry.PassedOver{Why: "GITHUB_ACTIONS is not true, so GITHUB_TOKEN may be anybody's"}
	case server != "" && server != "https://github.com":
		return registry.Credential{}, &registry.PassedOver{Why: "the token is that of " + server + ", not of github.com"}
	case g.Actor == "":
		return registry.Credential{}, &registry.PassedOver{Why: "GITHUB_ACTOR is empty"}
	}
	return registry.Credential{Username: g.Actor, Password: g.Token, Source: "GITHUB_TOKEN"}, nil
}

// Registries implements registry.Lister. A token that is not used is listed
// too, so that it can be seen why.
func (g GitHub) Registries(_ context.Context) []string {
	if g.Token == "" {
		return nil
	}
	return []string{githubRegistry}
}
