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
	// reads is set where the token of the job may only read, whatever the settings.
	reads bool
	// perhaps is set where the system does not say whether a pull request is from a fork.
	perhaps bool
}

// Fork returns the fork whose pull request the job runs for; nil where it runs for none.
// read reads a file of at most so many bytes.
func (s System) Fork(v Variables, read func(path string, limit int64) ([]byte, error)) *Fork {
	f := &Fork{system: s}
	if !f.find(v, read) {
		return nil
	}
	return f
}

// Hint says what there is to do about a push.
func (f *Fork) Hint() string {
	if f.perhaps {
		return fmt.Sprintf("this job runs for a pull request, and %s does not say whether it is from a fork; where secrets are not given to pull requests, "+
			"build without --push there, or push when it is merged", f.system.Title)
	}
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

// ownToken begins the tokens of GitHub that are made for one job, and not those of people
// (https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github#githubs-token-formats).
const ownToken = "ghs_"

// Refused returns an error of the class of registries where the push of one of the names
// is certain to be refused: its credential is the token of the job itself, and in a public
// repository of GitHub that may only read
// (https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows#pull_request).
// The settings of a private one may allow it to write. A nil Fork refuses nothing.
func (f *Fork) Refused(ctx context.Context, k registry.Keychain, names []string) error {
	if f == nil || !f.reads {
		return nil
	}
	for _, name := range names {
		named, err := reference.ParseNormalizedNamed(name)
		if err != nil || !sameRegistry(reference.Domain(named), githubRegistry) {
			continue
		}
		cred, err := k.Resolve(ctx, registry.Request{Host: reference.Domain(named), Repository: reference.Path(named), Push: true})
		if err == nil && strings.HasPrefix(cred.Password, ownToken) {
			return &refusedFork{fault.With(fault.ClassRegistry, fmt.Errorf(
				"%s would refuse the push of %s: the credential (%s) is the job's own token, which may only read here", githubRegistry, name, cred.Source)), f.Hint()}
		}
	}
	return nil
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

// find finds out whether there is a fork, and its name.
func (f *Fork) find(v Variables, read func(path string, limit int64) ([]byte, error)) (ok bool) {
	switch f.system.Name {
	case "github", "gitea", "forgejo":
		var public bool
		f.Name, public, ok = forkOnGitHub(v.Refs.GitHub, read)
		f.reads = ok && public && f.system.Name == "github"
	case "woodpecker":
		f.perhaps = v.Refs.Woodpecker.PullRequest != ""
		ok = f.perhaps
	case "drone":
		f.perhaps = v.Refs.Drone.PullRequest != ""
		ok = f.perhaps
	default: // the others have no variable that tells
		f.Name, ok = f.system.fork(v)
	}
	return ok
}

// forkOnGitHub returns the fork that a workflow runs for, and whether the repository that
// gets the pull request is public.
func forkOnGitHub(event GitHubRef, read func(path string, limit int64) ([]byte, error)) (name string, public, ok bool) {
	// A workflow for pull_request_target has the secrets of the repository.
	if event.EventName != "pull_request" || event.EventPath == "" {
		return "", false, false
	}
	payload, err := read(event.EventPath, MaxEvent)
	if err != nil {
		return "", false, false
	}
	return forkOfEvent(payload)
}

// fork returns the name of the fork by variables alone, and whether there is one.
func (s System) fork(v Variables) (name string, ok bool) {
	f := v.Fork
	switch s.Name {
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

// eventRepository is a repository of a pull request.
type eventRepository struct {
	FullName string `json:"full_name"`
	// Private is nil where the event does not say.
	Private *bool `json:"private"`
}

func (r eventRepository) public() bool { return r.Private != nil && !*r.Private }

// forkOfEvent returns the fork of the payload of an event of a pull request, and whether
// the repository that gets it says that it is public.
func forkOfEvent(payload []byte) (name string, public, ok bool) {
	var event struct {
		PullRequest struct {
			Head struct {
				// Repo is nil when the fork has been deleted.
				Repo *eventRepository `json:"repo"`
			} `json:"head"`
			Base struct {
				Repo *eventRepository `json:"repo"`
			} `json:"base"`
		} `json:"pull_request"`
	}
	if err := json.Unmarshal(payload, &event); err != nil {
		return "", false, false
	}
	head, base := event.PullRequest.Head.Repo, event.PullRequest.Base.Repo
	switch {
	case base == nil || base.FullName == "":
		return "", false, false
	case head == nil:
		return "", base.public(), true
	case strings.EqualFold(head.FullName, base.FullName):
		return "", false, false
	}
	return head.FullName, base.public(), true
}
