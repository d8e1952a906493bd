package ci

import (
	"cmp"
	"strings"

	"github.com/slipway-build/slipway/agent/ci/tagrule"
)

// GitLabRef is what a pipeline of GitLab runs for,
// https://docs.gitlab.com/ci/variables/predefined_variables/.
type GitLabRef struct {
	// Source is push, web, schedule, merge_request_event and the like.
	Source        string `env:"CI_PIPELINE_SOURCE"`
	Timestamp     string `env:"CI_COMMIT_TIMESTAMP"`
	DefaultBranch string `env:"CI_DEFAULT_BRANCH"`
	MergeRequest  string `env:"CI_MERGE_REQUEST_IID"`
	// MergeTarget is the branch that a merge request is for.
	MergeTarget string `env:"CI_MERGE_REQUEST_TARGET_BRANCH_NAME"`
	// MergeHead is set in pipelines for merged results.
	MergeHead          string `env:"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"`
	ProjectName        string `env:"CI_PROJECT_NAME"`
	ProjectDescription string `env:"CI_PROJECT_DESCRIPTION"`
	// RegistryImage is the address of the project's registry, with its path.
	RegistryImage string `env:"CI_REGISTRY_IMAGE"`
}

func (v Variables) gitlabPipeline(readFile) Pipeline {
	r, c := v.Refs.GitLab, v.Refs.Commit
	started := map[string]string{"schedule": tagrule.EventSchedule, "web": tagrule.EventManual}[r.Source]
	return Pipeline{
		Context: tagrule.Context{
			Event: eventOf(started, r.MergeRequest), Ref: ref(r.MergeRequest, c.Tag, c.Branch), SHA: c.SHA,
			DefaultBranch: r.DefaultBranch, BaseRef: r.MergeTarget, CommitTime: timestamp(r.Timestamp),
			Title: cmp.Or(r.ProjectName, title(v.GitLab.ProjectPath)), Description: r.ProjectDescription, URL: v.Results.GitLab.ProjectURL,
		},
		Image:   strings.ToLower(r.RegistryImage),
		HeadSHA: r.MergeHead,
	}
}
