package ci

import "github.com/slipway-build/slipway/agent/ci/tagrule"

// WoodpeckerRef is what a pipeline of Woodpecker runs for,
// https://woodpecker-ci.org/docs/usage/environment.
type WoodpeckerRef struct {
	// Event is push, tag, release, pull_request, cron, manual and the like.
	Event         string `env:"CI_PIPELINE_EVENT"`
	PullRequest   string `env:"CI_COMMIT_PULL_REQUEST"`
	PullTarget    string `env:"CI_COMMIT_TARGET_BRANCH"`
	Repository    string `env:"CI_REPO_NAME"`
	URL           string `env:"CI_REPO_URL"`
	DefaultBranch string `env:"CI_REPO_DEFAULT_BRANCH"`
}

func (v Variables) woodpeckerPipeline(readFile) Pipeline {
	r, c := v.Refs.Woodpecker, v.Refs.Commit
	started := map[string]string{"cron": tagrule.EventSchedule, "manual": tagrule.EventManual}[r.Event]
	return Pipeline{Context: tagrule.Context{
		Event: eventOf(started, r.PullRequest), Ref: ref(r.PullRequest, c.Tag, c.Branch), SHA: c.SHA,
		DefaultBranch: r.DefaultBranch, BaseRef: r.PullTarget, Title: r.Repository, URL: r.URL,
	}}
}
