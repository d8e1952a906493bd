package ci

import "github.com/slipway-build/slipway/agent/ci/tagrule"

// BuildkiteRef is what a build of Buildkite is for,
// https://buildkite.com/docs/pipelines/configure/environment-variables.
type BuildkiteRef struct {
	Source string `env:"BUILDKITE_SOURCE"`
	// Branch is that of the source in builds of pull requests.
	Branch string `env:"BUILDKITE_BRANCH"`
	Tag    string `env:"BUILDKITE_TAG"`
	// SHA is HEAD before the commit is known.
	SHA string `env:"BUILDKITE_COMMIT"`
	// PullRequest is a number, or "false".
	PullRequest   string `env:"BUILDKITE_PULL_REQUEST"`
	PullTarget    string `env:"BUILDKITE_PULL_REQUEST_BASE_BRANCH"`
	DefaultBranch string `env:"BUILDKITE_PIPELINE_DEFAULT_BRANCH"`
}

func (v Variables) buildkitePipeline(readFile) Pipeline {
	r := v.Refs.Buildkite
	if r.PullRequest == "false" {
		r.PullRequest = ""
	}
	if r.SHA == "HEAD" {
		r.SHA = ""
	}
	started := map[string]string{"schedule": tagrule.EventSchedule, "ui": tagrule.EventManual}[r.Source]
	return Pipeline{Context: tagrule.Context{
		Event: eventOf(started, r.PullRequest), Ref: ref(r.PullRequest, r.Tag, r.Branch), SHA: r.SHA,
		DefaultBranch: r.DefaultBranch, BaseRef: r.PullTarget,
		Title: title(remote(v.Buildkite.Repo)), URL: webURL(v.Buildkite.Repo),
	}}
}
