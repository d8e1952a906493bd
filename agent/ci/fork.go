package ci

import (
	"encoding/json"
	"strings"
)

// ForkVariables are those by which a job for a pull request from a fork is known.
type ForkVariables struct {
	// GitHubEvent is the name of what has started a workflow, GitHubEventPath a file
	// with its payload. Gitea and Forgejo have both.
	GitHubEvent     string `env:"GITHUB_EVENT_NAME"`
	GitHubEventPath string `env:"GITHUB_EVENT_PATH"`
	// The projects of GitLab have numbers. GitLabProject is that in which the job runs,
	// GitLabTarget that which gets the merge request, GitLabSource that which it is from.
	GitLabProject    string `env:"CI_PROJECT_ID"`
	GitLabTarget     string `env:"CI_MERGE_REQUEST_PROJECT_ID"`
	GitLabSource     string `env:"CI_MERGE_REQUEST_SOURCE_PROJECT_ID"`
	GitLabSourcePath string `env:"CI_MERGE_REQUEST_SOURCE_PROJECT_PATH"`
	// AzureFork is "True" in a job for a pull request from a fork.
	AzureFork string `env:"SYSTEM_PULLREQUEST_ISFORK"`
	// BuildkiteSource is the repository that a pull request is from.
	BuildkiteSource string `env:"BUILDKITE_PULL_REQUEST_REPO"`
	// CircleOwner is whose fork a pull request is from; CircleCI sets it for forks only.
	CircleOwner string `env:"CIRCLE_PR_USERNAME"`
	// JenkinsFork is the fork that a pull request is from; Jenkins' branch sources set
	// it for forks only.
	JenkinsFork string `env:"CHANGE_FORK"`
}

// MaxEvent bounds the payload of an event that is read, in bytes. GitHub's are at most
// 25 MB.
const MaxEvent = 25 << 20

// Fork returns the fork whose pull request the job runs for, as a name for people; false
// where it runs for none. To such a job systems give no secrets, and a token that may only
// read. read reads a file of at most so many bytes.
func (s System) Fork(v Variables, read func(path string, limit int64) ([]byte, error)) (name string, ok bool) {
	f := v.Fork
	switch s.Name {
	case "github", "gitea", "forgejo":
		// A workflow for pull_request_target has the secrets of the repository.
		if f.GitHubEvent != "pull_request" || f.GitHubEventPath == "" {
			return "", false
		}
		payload, err := read(f.GitHubEventPath, MaxEvent)
		if err != nil {
			return "", false
		}
		return forkOfEvent(payload)
	case "gitlab":
		// The pipeline of a fork's merge request runs in the fork, or in the project that
		// gets it when one of its members has started it.
		if f.GitLabSource == "" || f.GitLabSource == f.GitLabProject && (f.GitLabTarget == "" || f.GitLabSource == f.GitLabTarget) {
			return "", false
		}
		return f.GitLabSourcePath, true
	case "azure":
		return "", strings.EqualFold(f.AzureFork, "true")
	case "buildkite":
		source := remote(f.BuildkiteSource)
		if source == "" || source == remote(v.Buildkite.Repo) {
			return "", false
		}
		return source, true
	case "circleci":
		return f.CircleOwner, f.CircleOwner != ""
	case "jenkins":
		return f.JenkinsFork, f.JenkinsFork != ""
	}
	return "", false
}

// forkOfEvent returns the fork of the payload of an event of a pull request.
func forkOfEvent(payload []byte) (name string, ok bool) {
	type repository struct {
		FullName string `json:"full_name"`
	}
	var event struct {
		PullRequest struct {
			Head struct {
				// Repo is nil when the fork has been deleted.
				Repo *repository `json:"repo"`
			} `json:"head"`
			Base struct {
				Repo *repository `json:"repo"`
			} `json:"base"`
		} `json:"pull_request"`
	}
	if err := json.Unmarshal(payload, &event); err != nil {
		return "", false
	}
	head, base := event.PullRequest.Head.Repo, event.PullRequest.Base.Repo
	switch {
	case base == nil || base.FullName == "":
		return "", false
	case head == nil:
		return "", true
	case strings.EqualFold(head.FullName, base.FullName):
		return "", false
	}
	return head.FullName, true
}
