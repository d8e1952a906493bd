package ci

import (
	"errors"
	"testing"
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
			if name, ok := (System{Name: tt.system}).Fork(v, read); ok != tt.ok || name != tt.want {
				t.Errorf("%q, %t", name, ok)
			}
		})
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
