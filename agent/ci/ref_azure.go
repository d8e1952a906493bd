package ci

import (
	"strings"

	"github.com/slipway-build/slipway/agent/ci/tagrule"
)

// AzureRef is what a run of Azure Pipelines is for,
// https://learn.microsoft.com/en-us/azure/devops/pipelines/build/variables.
type AzureRef struct {
	// Reason is IndividualCI, PullRequest, Schedule, Manual and the like.
	Reason string `env:"BUILD_REASON"`
	// SourceBranch is refs/heads/BRANCH, refs/tags/TAG or refs/pull/NUMBER/merge.
	SourceBranch string `env:"BUILD_SOURCEBRANCH"`
	SHA          string `env:"BUILD_SOURCEVERSION"`
	Repository   string `env:"BUILD_REPOSITORY_NAME"`
	// PullTarget is the branch that a pull request is for, with refs/heads/ or not.
	PullTarget string `env:"SYSTEM_PULLREQUEST_TARGETBRANCH"`
	PullSHA    string `env:"SYSTEM_PULLREQUEST_SOURCECOMMITID"`
}

func (v Variables) azurePipeline(readFile) Pipeline {
	r := v.Refs.Azure
	p := Pipeline{HeadSHA: r.PullSHA, Context: tagrule.Context{
		Ref: r.SourceBranch, SHA: r.SHA, BaseRef: strings.TrimPrefix(r.PullTarget, "refs/heads/"),
		Title: title(r.Repository), URL: webURL(v.Azure.RepositoryURI),
	}}
	started := map[string]string{"Schedule": tagrule.EventSchedule, "Manual": tagrule.EventManual}[r.Reason]
	p.Context.Event = eventOf(started, p.Context.PullRequest())
	return p
}
