package ci

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-build/slipway/agent/ci/tagrule"
)

// GitHubRef is what a workflow runs for. Gitea and Forgejo set the same.
type GitHubRef struct {
	EventName string `env:"GITHUB_EVENT_NAME"`
	// EventPath is a file with the event's payload.
	EventPath string `env:"GITHUB_EVENT_PATH"`
	// Ref is refs/heads/BRANCH, refs/tags/TAG or refs/pull/NUMBER/merge.
	Ref string `env:"GITHUB_REF"`
	// BaseRef is the branch of a pull request's base.
	BaseRef string `env:"GITHUB_BASE_REF"`
	SHA     string `env:"GITHUB_SHA"`
}

// githubEvent is what is read of an event's payload,
// https://docs.github.com/en/webhooks/webhook-events-and-payloads.
type githubEvent struct {
	Number      int
	BaseRef     string `json:"base_ref"`
	PullRequest struct {
		Base struct{ Ref string }
		Head struct{ SHA string }
	} `json:"pull_request"`
	Repository struct {
		Name          string
		Description   string
		HTMLURL       string `json:"html_url"`
		DefaultBranch string `json:"default_branch"`
		License       struct {
			SPDXID string `json:"spdx_id"`
		}
	}
	Commits    []githubCommit
	HeadCommit githubCommit `json:"head_commit"`
}

type githubCommit struct{ ID, Timestamp string }

// commitTime is when a commit was made, zero where the event does not hold it.
func (e githubEvent) commitTime(sha string) time.Time {
	for _, c := range append(e.Commits, e.HeadCommit) {
		if c.ID == sha && c.ID != "" {
			return timestamp(c.Timestamp)
		}
	}
	return time.Time{}
}

func (v Variables) githubPipeline(read readFile) Pipeline {
	r := v.Refs.GitHub
	var p Pipeline
	var event githubEvent
	if r.EventPath != "" {
		raw, err := read(r.EventPath, MaxEvent)
		if err == nil {
			err = json.Unmarshal(raw, &event)
		}
		if err != nil {
			p.Warnings = append(p.Warnings, fmt.Sprintf("the event of the workflow cannot be read, so its default branch, the time of its commit and the description of the repository are not known: GITHUB_EVENT_PATH: %v", err))
		}
	}
	c := &p.Context
	*c = tagrule.Context{
		Event: r.EventName, Ref: r.Ref, SHA: r.SHA,
		DefaultBranch: event.Repository.DefaultBranch,
		// These events always run for the last commit of the default branch, see
		// https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows.
		OnDefaultBranch: containsAny(r.EventName, "create", "discussion", "issues", "schedule"),
		Title:           cmp.Or(event.Repository.Name, title(v.GitHub.Repository)),
		Description:     event.Repository.Description,
		URL:             event.Repository.HTMLURL,
		Licenses:        event.Repository.License.SPDXID,
	}
	if strings.Contains(r.EventName, "pull_request_target") && event.Number > 0 {
		c.Ref = ref(strconv.Itoa(event.Number), "", "") // GITHUB_REF is the base branch
	}
	switch {
	case c.Tag() != "":
		c.BaseRef = strings.TrimPrefix(event.BaseRef, "refs/heads/")
	case c.PullRequest() != "":
		c.BaseRef = cmp.Or(event.PullRequest.Base.Ref, r.BaseRef)
	}
	p.HeadSHA = event.PullRequest.Head.SHA
	c.CommitTime = event.commitTime(c.SHA)
	server := strings.TrimSuffix(v.GitHub.ServerURL, "/")
	if c.URL == "" && server != "" && v.GitHub.Repository != "" {
		c.URL = server + "/" + v.GitHub.Repository
	}
	if server == "https://github.com" && v.GitHub.Repository != "" {
		p.Image = githubRegistry + "/" + strings.ToLower(v.GitHub.Repository)
	}
	return p
}

func containsAny(text string, words ...string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}
