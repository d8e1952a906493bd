package ci

import (
	"strings"

	"github.com/slipway-build/slipway/agent/ci/tagrule"
)

// BitbucketRef is what a pipeline of Bitbucket runs for,
// https://support.atlassian.com/bitbucket-cloud/docs/variables-and-secrets/.
type BitbucketRef struct {
	// Branch is that of the source in pipelines of pull requests.
	Branch      string `env:"BITBUCKET_BRANCH"`
	Tag         string `env:"BITBUCKET_TAG"`
	SHA         string `env:"BITBUCKET_COMMIT"`
	PullRequest string `env:"BITBUCKET_PR_ID"`
	PullTarget  string `env:"BITBUCKET_PR_DESTINATION_BRANCH"`
	Repository  string `env:"BITBUCKET_REPO_SLUG"`
}

func (v Variables) bitbucketPipeline(readFile) Pipeline {
	r := v.Refs.Bitbucket
	return Pipeline{Context: tagrule.Context{
		Event: eventOf("", r.PullRequest), Ref: ref(r.PullRequest, r.Tag, r.Branch), SHA: r.SHA, BaseRef: r.PullTarget,
		Title: r.Repository, URL: bitbucketPage(v.Bitbucket.HTTPOrigin),
	}}
}

// bitbucketPage is the page of a repository. Bitbucket names it by http, and its pages are
// served by https only; there are no pipelines elsewhere.
func bitbucketPage(origin string) string {
	if rest, ok := strings.CutPrefix(webURL(origin), "http://bitbucket.org/"); ok {
		return "https://bitbucket.org/" + rest
	}
	return webURL(origin)
}
