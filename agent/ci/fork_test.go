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
	event := func(name string) Variables {
		return Variables{Refs: Refs{GitHub: GitHubRef{EventName: name, EventPath: "/event.json"}}}
	}
	github := event("pull_request")
	for _, tt := range []struct {
		name, system, payload string
		v                     Variables
		want                  string
		ok                    bool
	}{
		{"a fork", "github", pullRequest(fork, mine), github, "me/app", true},
		{"a fork on Gitea", "gitea", pullRequest(fork, mine), github, "me/app", true},
		{"a fork that was deleted", "github", pullRequest("null", mine), github, "", true},
		{"a branch of a repository that is a fork itself", "github", pullRequest(mine, mine), github, "", false},
		{"with the rights of the repository", "github", pullRequest(fork, mine), event("pull_request_target"), "", false},
		{"a push", "github", `{"ref":"refs/heads/main"}`, event("push"), "", false},
		{"no pull request", "github", `{}`, github, "", false},
		{"no JSON", "github", `{`, github, "", false},
		{"no file", "github", "", github, "", false},
		{"in the fork", "gitlab", "", Variables{Fork: ForkVariables{GitLabProject: "2", GitLabSource: "2", GitLabTarget: "1", GitLabSourcePath: "me/app"}}, "me/app", true},
		{"in the project", "gitlab", "", Variables{Fork: ForkVariables{GitLabProject: "1", GitLabSource: "2", GitLabTarget: "1", GitLabSourcePath: "me/app"}}, "me/app", true},
		{"a branch of the project", "gitlab", "", Variables{Fork: ForkVariables{GitLabProject: "1", GitLabSource: "1", GitLabTarget: "1"}}, "", false},
		{"no merge request", "gitlab", "", Variables{Fork: ForkVariables{GitLabProject: "1"}}, "", false},
		{"a fork", "azure", "", Variables{Fork: ForkVariables{AzureFork: "True"}}, "", true},
		{"none", "azure", "", Variables{Fork: ForkVariables{AzureFork: "False"}}, "", false},
		{"a fork", "buildkite", "", Variables{Fork: ForkVariables{BuildkiteSource: "git://github.com/me/app.git"}}, "github.com/me/app", true},
		{"the same by another address", "buildkite", "", Variables{Fork: ForkVariables{BuildkiteSource: "https://github.com/team/app"}}, "", false},
		{"no pull request", "buildkite", "", Variables{Fork: ForkVariables{}}, "", false},
		{"a fork", "circleci", "", Variables{Fork: ForkVariables{CircleOwner: "me"}}, "me", true},
		{"a fork", "jenkins", "", Variables{Fork: ForkVariables{JenkinsFork: "me"}}, "me", true},
		{"variables of another system", "jenkins", pullRequest(fork, mine), github, "", false},
		{"a pull request", "woodpecker", "", Variables{Refs: Refs{Woodpecker: WoodpeckerRef{PullRequest: "7"}}}, "", true},
		{"a push", "woodpecker", "", Variables{}, "", false},
		{"a pull request", "drone", "", Variables{Refs: Refs{Drone: DroneRef{PullRequest: "7"}}}, "", true},
		{"a push", "drone", "", Variables{Refs: Refs{Woodpecker: WoodpeckerRef{PullRequest: "7"}}}, "", false},
		{"a pull request, never of a fork", "bitbucket", "", Variables{Refs: Refs{Bitbucket: BitbucketRef{PullRequest: "7"}}}, "", false},
		{"a system without forks", "tekton", "", Variables{Fork: ForkVariables{JenkinsFork: "me"}}, "", false},
	} {
		t.Run(tt.system+": "+tt.name, func(t *testing.T) {
			read := func(path string, limit int64) ([]byte, error) {
				if path != "/event.json" || limit <= 0 || tt.payload == "" {
					return nil, errors.New("no such file")
				}
				return []byte(tt.payload), nil
			}
			v := tt.v
			v.Buildkite.Repo = "git@github.com:team/app.git"
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
	f := &Fork{Name: "me/app", system: System{Title: "GitHub Actions"}}
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
	if got := (&Fork{system: System{Title: "Azure Pipelines"}}).Hint(); !strings.HasPrefix(got, "this job runs for a pull request from a fork: Azure Pipelines gives") {
		t.Error(got)
	}
}

// TestForkIsRefused has pushes that can only fail, and such as may succeed.
func TestForkIsRefused(t *testing.T) {
	const fork = `{"full_name":"me/app","private":false}`
	const public, private, unknown = `{"full_name":"team/app","private":false}`, `{"full_name":"team/app","private":true}`, `{"full_name":"team/app"}`
	ghcr := func(password string) registry.Keychain {
		return registry.Fixed{Username: "me", Password: password, Source: "GITHUB_TOKEN"}
	}
	for _, tt := range []struct {
		name, system, event, base, image string
		k                                registry.Keychain
		want                             bool
	}{
		{"the token of the job", "github", "pull_request", public, "ghcr.io/team/app:1", ghcr("ghs_x"), true},
		{"a private repository, whose settings may give a token that writes", "github", "pull_request", private, "ghcr.io/team/app:1", ghcr("ghs_x"), false},
		{"not known whether it is private", "github", "pull_request", unknown, "ghcr.io/team/app:1", ghcr("ghs_x"), false},
		{"a token of a person", "github", "pull_request", public, "ghcr.io/team/app:1", ghcr("ghp_x"), false},
		{"no credential", "github", "pull_request", public, "ghcr.io/team/app:1", registry.Fixed{}, false},
		{"another registry", "github", "pull_request", public, "registry.example/team/app:1", ghcr("ghs_x"), false},
		{"no name", "github", "pull_request", public, "no name", ghcr("ghs_x"), false},
		{"with the rights of the repository", "github", "pull_request_target", public, "ghcr.io/team/app:1", ghcr("ghs_x"), false},
		{"no fork", "github", "pull_request", fork, "ghcr.io/team/app:1", ghcr("ghs_x"), false},
		{"Gitea", "gitea", "pull_request", public, "ghcr.io/team/app:1", ghcr("ghs_x"), false},
	} {
		system, _, err := Variables{}.Choose(tt.system)
		if err != nil {
			t.Fatal(err)
		}
		v := Variables{Refs: Refs{GitHub: GitHubRef{EventName: tt.event, EventPath: "/event.json"}}}
		f := system.Fork(v, func(string, int64) ([]byte, error) { return []byte(pullRequest(fork, tt.base)), nil })
		got := f.Refused(t.Context(), tt.k, []string{"team/other", tt.image})
		if (got != nil) != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		if got != nil && (fault.ClassOf(got) != fault.ClassRegistry || len(fault.Hints(got)) != 1 || fault.Hints(got)[0] != f.Hint() || strings.Contains(got.Error(), "ghs_")) {
			t.Errorf("%s: %v, class %v, hints %q", tt.name, got, fault.ClassOf(got), fault.Hints(got))
		}
	}
	if hint := (&Fork{perhaps: true, system: System{Title: "Drone"}}).Hint(); !strings.Contains(hint, "Drone does not say whether it is from a fork") {
		t.Error(hint)
	}
}

func TestForkExplains(t *testing.T) {
	f := &Fork{Name: "me/app", system: System{Title: "GitHub Actions"}}
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
		if name, _, ok := forkOfEvent(payload); !ok && name != "" {
			t.Errorf("%q is no fork", name)
		}
	})
}
