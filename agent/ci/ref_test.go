package ci

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/ci/tagrule"
)

func TestPipeline(t *testing.T) {
	const sha = "860c1904a1ce19322e91ac35af1ab07466440c37"
	github := func(r GitHubRef) Variables {
		return Variables{GitHub: GitHub{Actions: "true", ServerURL: "https://github.com", Repository: "Octo/App"}, Refs: Refs{GitHub: r}}
	}
	gitlab := func(c CommitRef, r GitLabRef) Variables {
		return Variables{GitLab: GitLab{CI: "true"}, Refs: Refs{Commit: c, GitLab: r}}
	}
	inProject := func(url string, c CommitRef, r GitLabRef) Variables {
		v := gitlab(c, r)
		v.Results.GitLab.ProjectURL = url
		return v
	}
	azure := func(r AzureRef) Variables {
		return Variables{Azure: Azure{Build: "True", RepositoryURI: "https://org@dev.azure.com/org/p/_git/app"}, Refs: Refs{Azure: r}}
	}
	buildkite := func(r BuildkiteRef) Variables {
		return Variables{Buildkite: Buildkite{Buildkite: "true", Repo: "git@github.com:octo/app.git"}, Refs: Refs{Buildkite: r}}
	}
	circle := func(r CircleCIRef) Variables {
		return Variables{CircleCI: CircleCI{CI: "true"}, Refs: Refs{CircleCI: r}}
	}
	bitbucket := func(r BitbucketRef) Variables {
		return Variables{Bitbucket: Bitbucket{BuildNumber: "1", HTTPOrigin: "http://bitbucket.org/octo/app"}, Refs: Refs{Bitbucket: r}}
	}
	woodpecker := func(c CommitRef, r WoodpeckerRef) Variables {
		return Variables{Woodpecker: Woodpecker{CI: "woodpecker"}, Refs: Refs{Commit: c, Woodpecker: r}}
	}
	drone := func(r DroneRef) Variables { return Variables{Drone: Drone{Drone: "true"}, Refs: Refs{Drone: r}} }
	jenkins := func(r JenkinsRef) Variables {
		return Variables{Jenkins: Jenkins{URL: "https://jenkins.example", BuildID: "1", GitURL: "https://u:secret@git.example/octo/app.git"}, Refs: Refs{Jenkins: r}}
	}
	const jenkinsURL, bitbucketURL = "https://git.example/octo/app", "https://bitbucket.org/octo/app"
	tests := []struct {
		name string
		vars Variables
		want Pipeline
	}{
		{"GitHub: without a payload", github(GitHubRef{EventName: "push", Ref: "refs/heads/main", SHA: sha}), Pipeline{
			Context: tagrule.Context{Event: "push", Ref: "refs/heads/main", SHA: sha, Title: "App", URL: "https://github.com/Octo/App"}, Image: "ghcr.io/octo/app",
		}},
		{"GitLab: branch", inProject("https://gitlab.example/octo/app", CommitRef{Branch: "main", SHA: sha}, GitLabRef{
			Source: "push", Timestamp: "2026-03-05T10:00:00+01:00", DefaultBranch: "main", ProjectName: "app",
			ProjectDescription: "An\napp\x1b[31m ", RegistryImage: "registry.example/Octo/App",
		}), Pipeline{
			Context: tagrule.Context{
				Event: "push", Ref: "refs/heads/main", SHA: sha, DefaultBranch: "main", CommitTime: time.Date(2026, 3, 5, 9, 0, 0, 0, time.UTC),
				Title: "app", Description: "An app[31m", URL: "https://gitlab.example/octo/app",
			},
			Image: "registry.example/octo/app",
		}},
		{"GitLab: tag", gitlab(CommitRef{Tag: "v1"}, GitLabRef{Source: "push"}), Pipeline{Context: tagrule.Context{Event: "push", Ref: "refs/tags/v1"}}},
		{"GitLab: merge request", gitlab(CommitRef{}, GitLabRef{Source: "merge_request_event", MergeRequest: "7", MergeTarget: "main", MergeHead: "abc"}), Pipeline{
			Context: tagrule.Context{Event: "pull_request", Ref: "refs/pull/7/merge", BaseRef: "main"}, HeadSHA: "abc",
		}},
		{"GitLab: schedule", gitlab(CommitRef{Branch: "dev"}, GitLabRef{Source: "schedule", DefaultBranch: "main"}), Pipeline{
			Context: tagrule.Context{Event: "schedule", Ref: "refs/heads/dev", DefaultBranch: "main"},
		}},
		{"GitLab: started by hand", gitlab(CommitRef{Branch: "dev"}, GitLabRef{Source: "web"}), Pipeline{Context: tagrule.Context{Event: "workflow_dispatch", Ref: "refs/heads/dev"}}},
		{"Azure: branch", azure(AzureRef{Reason: "IndividualCI", SourceBranch: "refs/heads/a/b", SHA: sha, Repository: "app"}), Pipeline{
			Context: tagrule.Context{Event: "push", Ref: "refs/heads/a/b", SHA: sha, Title: "app", URL: "https://dev.azure.com/org/p/_git/app"},
		}},
		{"Azure: pull request", azure(AzureRef{Reason: "PullRequest", SourceBranch: "refs/pull/7/merge", PullTarget: "refs/heads/main", PullSHA: "abc"}), Pipeline{
			Context: tagrule.Context{Event: "pull_request", Ref: "refs/pull/7/merge", BaseRef: "main", URL: "https://dev.azure.com/org/p/_git/app"}, HeadSHA: "abc",
		}},
		{"Azure: schedule", azure(AzureRef{Reason: "Schedule", SourceBranch: "refs/heads/main"}), Pipeline{
			Context: tagrule.Context{Event: "schedule", Ref: "refs/heads/main", URL: "https://dev.azure.com/org/p/_git/app"},
		}},
		{"Buildkite: branch", buildkite(BuildkiteRef{Source: "webhook", Branch: "main", SHA: "HEAD", PullRequest: "false", DefaultBranch: "main"}), Pipeline{
			Context: tagrule.Context{Event: "push", Ref: "refs/heads/main", DefaultBranch: "main", Title: "app", URL: "https://github.com/octo/app"},
		}},
		{"Buildkite: pull request", buildkite(BuildkiteRef{Branch: "fix", SHA: sha, PullRequest: "7", PullTarget: "main"}), Pipeline{
			Context: tagrule.Context{Event: "pull_request", Ref: "refs/pull/7/merge", SHA: sha, BaseRef: "main", Title: "app", URL: "https://github.com/octo/app"},
		}},
		{"Buildkite: tag of a schedule", buildkite(BuildkiteRef{Source: "schedule", Branch: "v1", Tag: "v1"}), Pipeline{
			Context: tagrule.Context{Event: "schedule", Ref: "refs/tags/v1", Title: "app", URL: "https://github.com/octo/app"},
		}},
		{"CircleCI: branch", circle(CircleCIRef{Branch: "main", SHA: sha, Repository: "app"}), Pipeline{Context: tagrule.Context{Event: "push", Ref: "refs/heads/main", SHA: sha, Title: "app"}}},
		{"CircleCI: tag", circle(CircleCIRef{Tag: "v1"}), Pipeline{Context: tagrule.Context{Event: "push", Ref: "refs/tags/v1"}}},
		{"CircleCI: fork", circle(CircleCIRef{Branch: "pull/7"}), Pipeline{Context: tagrule.Context{Event: "pull_request", Ref: "refs/pull/7/merge"}}},
		{"CircleCI: a branch named like a fork's", circle(CircleCIRef{Branch: "pull/x"}), Pipeline{Context: tagrule.Context{Event: "push", Ref: "refs/heads/pull/x"}}},
		{"Bitbucket: pull request", bitbucket(BitbucketRef{Branch: "fix", PullRequest: "7", PullTarget: "main", SHA: sha, Repository: "app"}), Pipeline{
			Context: tagrule.Context{Event: "pull_request", Ref: "refs/pull/7/merge", SHA: sha, BaseRef: "main", Title: "app", URL: bitbucketURL},
		}},
		{"Bitbucket: tag", bitbucket(BitbucketRef{Tag: "v1"}), Pipeline{Context: tagrule.Context{Event: "push", Ref: "refs/tags/v1", URL: bitbucketURL}}},
		{"Woodpecker: pull request", woodpecker(CommitRef{Branch: "main"}, WoodpeckerRef{Event: "pull_request", PullRequest: "7", PullTarget: "main", DefaultBranch: "main"}), Pipeline{
			Context: tagrule.Context{Event: "pull_request", Ref: "refs/pull/7/merge", BaseRef: "main", DefaultBranch: "main"},
		}},
		{"Woodpecker: cron", woodpecker(CommitRef{Branch: "main"}, WoodpeckerRef{Event: "cron", Repository: "app", URL: "https://git.example/octo/app"}), Pipeline{
			Context: tagrule.Context{Event: "schedule", Ref: "refs/heads/main", Title: "app", URL: "https://git.example/octo/app"},
		}},
		{"Woodpecker: release", woodpecker(CommitRef{Tag: "v1"}, WoodpeckerRef{Event: "release"}), Pipeline{Context: tagrule.Context{Event: "push", Ref: "refs/tags/v1"}}},
		{"Drone: branch", drone(DroneRef{Event: "push", Branch: "main", PullTarget: "main", SHA: sha, DefaultBranch: "main"}), Pipeline{
			Context: tagrule.Context{Event: "push", Ref: "refs/heads/main", SHA: sha, DefaultBranch: "main"},
		}},
		{"Drone: pull request", drone(DroneRef{Event: "pull_request", Branch: "main", PullRequest: "7", PullTarget: "main"}), Pipeline{
			Context: tagrule.Context{Event: "pull_request", Ref: "refs/pull/7/merge", BaseRef: "main"},
		}},
		{"Drone: cron", drone(DroneRef{Event: "cron", Branch: "main"}), Pipeline{Context: tagrule.Context{Event: "schedule", Ref: "refs/heads/main"}}},
		{"Jenkins: multibranch", jenkins(JenkinsRef{BranchName: "main", Primary: "true", SHA: sha, Branch: "main"}), Pipeline{
			Context: tagrule.Context{Event: "push", Ref: "refs/heads/main", SHA: sha, DefaultBranch: "main", Title: "app", URL: jenkinsURL},
		}},
		{"Jenkins: multibranch, tag", jenkins(JenkinsRef{BranchName: "v1", TagName: "v1"}), Pipeline{Context: tagrule.Context{Event: "push", Ref: "refs/tags/v1", Title: "app", URL: jenkinsURL}}},
		{"Jenkins: multibranch, pull request", jenkins(JenkinsRef{BranchName: "PR-7", ChangeID: "7", ChangeTarget: "main"}), Pipeline{
			Context: tagrule.Context{Event: "pull_request", Ref: "refs/pull/7/merge", BaseRef: "main", Title: "app", URL: jenkinsURL},
		}},
		{"Jenkins: git plugin", jenkins(JenkinsRef{Branch: "origin/feature/x"}), Pipeline{Context: tagrule.Context{Event: "push", Ref: "refs/heads/feature/x", Title: "app", URL: jenkinsURL}}},
		{"Jenkins: git plugin, full name", jenkins(JenkinsRef{Branch: "refs/remotes/origin/x"}), Pipeline{Context: tagrule.Context{Event: "push", Ref: "refs/heads/x", Title: "app", URL: jenkinsURL}}},
		{"Jenkins: git plugin, tag", jenkins(JenkinsRef{Branch: "refs/tags/v1"}), Pipeline{Context: tagrule.Context{Event: "push", Ref: "refs/tags/v1", Title: "app", URL: jenkinsURL}}},
		{"Jenkins: git plugin, no branch", jenkins(JenkinsRef{Branch: "detached"}), Pipeline{Context: tagrule.Context{Event: "push", Title: "app", URL: jenkinsURL}}},
		{"Jenkins: git plugin, local branch", jenkins(JenkinsRef{Branch: "detached", LocalBranch: "main"}), Pipeline{Context: tagrule.Context{Event: "push", Ref: "refs/heads/main", Title: "app", URL: jenkinsURL}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			system, _ := tt.vars.Detect()
			got, ok := system.Pipeline(tt.vars, func(string, int64) ([]byte, error) { return nil, errors.New("nothing is read") })
			if !ok {
				t.Fatalf("%q tells nothing", system.Name)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestPipelineOfGitHub has what tests with the recorded answers of the action do not
// reach.
func TestPipelineOfGitHub(t *testing.T) {
	vars := Variables{GitHub: GitHub{Actions: "true", ServerURL: "https://gitea.example", Repository: "Octo/App"}}
	vars.Refs.GitHub = GitHubRef{EventName: "pull_request", EventPath: "event.json", Ref: "refs/pull/7/merge", BaseRef: "main"}
	vars.Gitea.Actions = "true"
	system, _ := vars.Detect()
	p, _ := system.Pipeline(vars, func(string, int64) ([]byte, error) { return nil, errors.New("no such file") })
	if len(p.Warnings) != 1 || p.Context.BaseRef != "main" || p.Image != "" || p.Context.URL != "https://gitea.example/Octo/App" {
		t.Errorf("%s without its event: %+v", system.Title, p)
	}
	p, _ = system.Pipeline(vars, func(string, int64) ([]byte, error) {
		return []byte(`{"repository": {"license": null, "description": null, "default_branch": "trunk"}, "pull_request": {"head": {"sha": "abc"}}}`), nil
	})
	if len(p.Warnings) != 0 || p.Context.DefaultBranch != "trunk" || p.HeadSHA != "abc" || p.Context.BaseRef != "main" {
		t.Errorf("%s: %+v", system.Title, p)
	}
}

// TestPipelineOfOthers tests that every system tells what a pipeline runs for, or is
// known not to.
func TestPipelineOfOthers(t *testing.T) {
	silent := map[string]bool{"tekton": true, "argo": true, Plain: true}
	for _, s := range Systems() {
		if _, ok := s.Pipeline(Variables{}, nil); ok == silent[s.Name] {
			t.Errorf("%s tells: %v", s.Name, ok)
		}
	}
	if len(refSystems) != len(Systems())-len(silent) {
		t.Errorf("%d systems tell, and there are %d", len(refSystems), len(Systems()))
	}
}

// TestPipelineIsClean has every system with a line end and a control sequence in every
// variable, and with credentials in those that hold an address.
func TestPipelineIsClean(t *testing.T) {
	for _, s := range Systems() {
		var vars Variables
		forge(reflect.ValueOf(&vars).Elem())
		p, ok := s.Pipeline(vars, func(string, int64) ([]byte, error) { return nil, errors.New("no such file") })
		if !ok {
			continue
		}
		fields := reflect.ValueOf(p.Context)
		texts := map[string]string{"Image": p.Image, "HeadSHA": p.HeadSHA}
		for i := range fields.NumField() {
			if fields.Field(i).Kind() == reflect.String {
				texts[fields.Type().Field(i).Name] = fields.Field(i).String()
			}
		}
		for name, text := range texts {
			if strings.ContainsAny(text, "\n\r\x1b") || strings.Contains(text, "hunter2") {
				t.Errorf("%s: %s is %q", s.Name, name, text)
			}
		}
	}
}

// forge sets all texts below a value.
func forge(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			switch field := v.Field(i); {
			case field.Kind() != reflect.String:
				forge(field)
			case strings.HasSuffix(name, "URL"), strings.HasSuffix(name, "URI"), strings.HasSuffix(name, "Origin"), name == "Repo":
				field.SetString("https://user:hunter2@git.example/team/app")
			default:
				field.SetString("abc\nforged=1\r\x1b[31m")
			}
		}
	case reflect.Map, reflect.Slice, reflect.Bool, reflect.Func:
	}
}

func TestWebURL(t *testing.T) {
	for address, want := range map[string]string{
		"https://user:password@git.example/team/app.git": "https://git.example/team/app",
		"http://git.internal/team/app":                   "http://git.internal/team/app",
		"HTTP://git.internal:3000/team/app":              "http://git.internal:3000/team/app",
		"https://git.example:8443/team/app":              "https://git.example:8443/team/app",
		"git@git.example:team/app.git":                   "https://git.example/team/app",
		"ssh://git@git.example:2222/team/app":            "https://git.example/team/app",
		"ssh://git@[fd00::1]:2222/team/app":              "https://[fd00::1]/team/app",
		"https://dev.azure.com/org/my%20project/_git/a":  "https://dev.azure.com/org/my%20project/_git/a",
		"team/app": "", "": "", "https://git.example": "",
	} {
		if got := webURL(address); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}
