package ci

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry"
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

// Fork is a pull request from a fork that the job runs for. To such a job systems give no
// secrets, and a token that may only read.
type Fork struct {
	// Name is that of the fork, for people; empty when it is not known.
	Name string

	system System
}

// Fork returns the fork whose pull request the job runs for; nil where it runs for none.
// read reads a file of at most so many bytes.
func (s System) Fork(v Variables, read func(path string, limit int64) ([]byte, error)) *Fork {
	name, ok := s.fork(v, read)
	if !ok {
		return nil
	}
	return &Fork{name, s}
}

// Hint says what there is to do about a push.
func (f *Fork) Hint() string {
	from := ""
	if f.Name != "" {
		from = " (" + f.Name + ")"
	}
	return fmt.Sprintf("this job runs for a pull request from a fork%s: %s gives it no secrets, and its own token may not push; "+
		"build without --push there, or push when it is merged", from, f.system.Title)
}

// Warning says, before the build, that there is no credential for registries that are
// pushed to; empty where there is one for all of them, for then it is for the registries
// to say whether it is enough. A nil Fork warns of nothing.
func (f *Fork) Warning(ctx context.Context, k registry.Keychain, names []string) string {
	if f == nil {
		return ""
	}
	var without []string
	for _, name := range names {
		named, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			continue
		}
		host := reference.Domain(named)
		if slices.Contains(without, host) {
			continue
		}
		cred, err := k.Resolve(ctx, registry.Request{Host: host, Repository: reference.Path(named), Push: true})
		if err == nil && cred.Anonymous() {
			without = append(without, host)
		}
	}
	if len(without) == 0 {
		return ""
	}
	return "there is no credential for " + strings.Join(without, ", ") + ": " + f.Hint()
}

// Explain gives what a registry has refused its hint. A nil Fork explains nothing.
func (f *Fork) Explain(err error) error {
	if f == nil || fault.ClassOf(err) != fault.ClassRegistry {
		return err
	}
	switch registry.ReasonOf(err.Error()) {
	case registry.NoRight, registry.NotAccepted:
		return &refusedFork{err, f.Hint()}
	}
	return err
}

// refusedFork is a refusal of a registry in a job for a pull request from a fork.
type refusedFork struct {
	error
	hint string
}

// Unwrap returns the refusal.
func (e *refusedFork) Unwrap() error { return e.error }

// Hints begin with the reason that is the likeliest.
func (e *refusedFork) Hints() []string { return append([]string{e.hint}, fault.Hints(e.error)...) }

// fork returns the name of the fork, and whether there is one.
func (s System) fork(v Variables, read func(path string, limit int64) ([]byte, error)) (name string, ok bool) {
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
