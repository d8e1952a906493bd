package ci

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry"
)

// pullRequest is the payload of an event.
func pullRequest(head, base string) string {
	return `{"pull_request":{"head":{"repo":` + head + `},"base":{"repo":` + base + `}}}`
}

func TestFork(t *testing.T) {
	const mine, fork = `{"full_name":"team/app","fork":true}`, `{"full_name":"me/app","fork":true}`
	github := ForkVariables{GitHubEvent: "pull_request", GitHubEventPath: "/event.json"}
	for _, tt := range []struct {
		name, system, payload string
		v                     ForkVariables
		want                  string
		ok                    bool
	}{
		{"a fork", "github", pullRequest(fork, mine), github, "me/app", true},
		{"a fork on Gitea", "gitea", pullRequest(fork, mine), github, "me/app", true},
		{"a fork that was deleted", "github", pullRequest("null", mine), github, "", true},
		{"a branch of a repository that is a fork itself", "github", pullRequest(mine, mine), github, "", false},
		{"with the rights of the repository", "github", pullRequest(fork, mine), ForkVariables{GitHubEvent: "pull_request_target", GitHubEventPath: "/event.json"}, "", false},
		{"a push", "github", `{"ref":"refs/heads/main"}`, ForkVariables{GitHubEvent: "push", GitHubEventPath: "/event.json"}, "", false},
		{"no pull request", "github", `{}`, github, "", false},
		{"no JSON", "github", `{`, github, "", false},
		{"no file", "github", "", github, "", false},
		{"in the fork", "gitlab", "", ForkVariables{GitLabProject: "2", GitLabSource: "2", GitLabTarget: "1", GitLabSourcePath: "me/app"}, "me/app", true},
		{"in the project", "gitlab", "", ForkVariables{GitLabProject: "1", GitLabSource: "2", GitLabTarget: "1", GitLabSourcePath: "me/app"}, "me/app", true},
		{"a branch of the project", "gitlab", "", ForkVariables{GitLabProject: "1", GitLabSource: "1", GitLabTarget: "1"}, "", false},
		{"no merge request", "gitlab", "", ForkVariables{GitLabProject: "1"}, "", false},
		{"a fork", "azure", "", ForkVariables{AzureFork: "True"}, "", true},
		{"none", "azure", "", ForkVariables{AzureFork: "False"}, "", false},
		{"a fork", "buildkite", "", ForkVariables{BuildkiteSource: "git://github.com/me/app.git"}, "github.com/me/app", true},
		{"the same by another address", "buildkite", "", ForkVariables{BuildkiteSource: "https://github.com/team/app"}, "", false},
		{"no pull request", "buildkite", "", ForkVariables{}, "", false},
		{"a fork", "circleci", "", ForkVariables{CircleOwner: "me"}, "me", true},
		{"a fork", "jenkins", "", ForkVariables{JenkinsFork: "me"}, "me", true},
		{"variables of another system", "jenkins", pullRequest(fork, mine), github, "", false},
		{"a system without forks", "tekton", "", ForkVariables{JenkinsFork: "me"}, "", false},
	} {
		t.Run(tt.system+": "+tt.name, func(t *testing.T) {
			read := func(path string, limit int64) ([]byte, error) {
				if path != "/event.json" || limit <= 0 || tt.payload == "" {
					return nil, errors.New("no such file")
				}
				return []byte(tt.payload), nil
			}
			v := Variables{Fork: tt.v, Buildkite: Buildkite{Repo: "git@github.com:team/app.git"}}
			if got := (System{Name: tt.system}).Fork(v, read); (got != nil) != tt.ok || got != nil && got.Name != tt.want {
				t.Errorf("%+v", got)
			}
		})
	}
}

// only is a keychain with a credential for one host.
type only string

func (o only) Resolve(_ context.Context, r registry.Request) (registry.Credential, error) {
	if !r.Push {
		return registry.Credential{}, errors.New("a push was not said to be one")
	}
	if r.Host == string(o) {
		return registry.Credential{Username: "u", Password: "p"}, nil
	}
	return registry.Credential{}, nil
}

func TestForkWarns(t *testing.T) {
	f := &Fork{"me/app", System{Title: "GitHub Actions"}}
	const hint = "this job runs for a pull request from a fork (me/app): GitHub Actions gives it no secrets, and its own token may not push; build without --push there, or push when it is merged"
	for _, tt := range []struct {
		fork  *Fork
		names []string
		want  string
	}{
		{f, []string{"ghcr.io/team/app:1", "ghcr.io/team/app:2", "team/app", "no name"}, "there is no credential for ghcr.io, docker.io: " + hint},
		{f, []string{"known.example/app:1"}, ""},
		{f, nil, ""},
		{nil, []string{"ghcr.io/team/app:1"}, ""},
	} {
		if got := tt.fork.Warning(t.Context(), only("known.example"), tt.names); got != tt.want {
			t.Errorf("%v: %q", tt.names, got)
		}
	}
	if got := (&Fork{"", System{Title: "Azure Pipelines"}}).Hint(); !strings.HasPrefix(got, "this job runs for a pull request from a fork: Azure Pipelines gives") {
		t.Error(got)
	}
}

func TestForkExplains(t *testing.T) {
	f := &Fork{"me/app", System{Title: "GitHub Actions"}}
	refused := fault.With(fault.ClassRegistry, errors.New("failed to push ghcr.io/team/app:1: denied: permission_denied"))
	got := f.Explain(refused)
	if hints := fault.Hints(got); len(hints) != 1 || hints[0] != f.Hint() || got.Error() != refused.Error() || fault.ClassOf(got) != fault.ClassRegistry {
		t.Errorf("%v, %q", got, hints)
	}
	for _, err := range []error{
		nil,
		fault.With(fault.ClassRegistry, errors.New("dial tcp: connection refused")),
		fault.With(fault.ClassBuild, errors.New("denied: by a test of the build's own")),
	} {
		if got := f.Explain(err); !errors.Is(got, err) || len(fault.Hints(got)) > 0 {
			t.Errorf("%v became %v", err, got)
		}
	}
	if got := (*Fork)(nil).Explain(refused); len(fault.Hints(got)) > 0 {
		t.Errorf("without a fork: %q", fault.Hints(got))
	}
}

func FuzzForkOfEvent(f *testing.F) {
	f.Add([]byte(pullRequest(`{"full_name":"me/app"}`, `{"full_name":"team/app"}`)))
	f.Add([]byte(`{"pull_request":null}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if name, ok := forkOfEvent(payload); !ok && name != "" {
			t.Errorf("%q is no fork", name)
		}
	})
}
