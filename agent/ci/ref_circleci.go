package ci

import (
	"cmp"
	"strings"

	"github.com/slipway-build/slipway/agent/ci/tagrule"
)

// CircleCIRef is what a pipeline of CircleCI runs for,
// https://circleci.com/docs/reference/variables/. Its pipelines are those of
// branches, also where a branch has a pull request; only those of forks are of
// pull requests.
type CircleCIRef struct {
	// Branch is pull/NUMBER in pipelines of forks.
	Branch string `env:"CIRCLE_BRANCH"`
	Tag    string `env:"CIRCLE_TAG"`
	SHA    string `env:"CIRCLE_SHA1"`
	// PullRequest is the number of a fork's pull request.
	PullRequest string `env:"CIRCLE_PR_NUMBER"`
	Repository  string `env:"CIRCLE_PROJECT_REPONAME"`
}

func (v Variables) circlePipeline(readFile) Pipeline {
	r := v.Refs.CircleCI
	ofFork, _ := strings.CutPrefix(r.Branch, "pull/")
	if ofFork == r.Branch || strings.Trim(ofFork, "0123456789") != "" {
		ofFork = ""
	}
	pull := cmp.Or(r.PullRequest, ofFork)
	return Pipeline{Context: tagrule.Context{
		Event: eventOf("", pull), Ref: ref(pull, r.Tag, r.Branch), SHA: r.SHA,
		Title: r.Repository, URL: webURL(v.CircleCI.RepositoryURL),
	}}
}
