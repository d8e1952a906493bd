package ci

import (
	"cmp"
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/slipway-build/slipway/agent/ci/tagrule"
)

// Refs are the variables by which CI systems say what a pipeline runs for: a branch,
// a tag, a pull request, a schedule. Those of other systems are empty, or hold what
// another tool has put there; see System.Pipeline.
type Refs struct {
	Commit     CommitRef
	GitHub     GitHubRef
	GitLab     GitLabRef
	Azure      AzureRef
	Bitbucket  BitbucketRef
	Buildkite  BuildkiteRef
	CircleCI   CircleCIRef
	Woodpecker WoodpeckerRef
	Drone      DroneRef
	Jenkins    JenkinsRef
}

// CommitRef is what both GitLab and Woodpecker say of the commit.
type CommitRef struct {
	// Branch is empty in GitLab's pipelines of tags and merge requests, and that of
	// the target in Woodpecker's of pull requests.
	Branch string `env:"CI_COMMIT_BRANCH"`
	Tag    string `env:"CI_COMMIT_TAG"`
	SHA    string `env:"CI_COMMIT_SHA"`
}

// Pipeline is what the pipeline of a job runs for.
type Pipeline struct {
	// Context is what the system tells. Its times but for that of the commit are
	// empty.
	Context tagrule.Context
	// Image is the image of the repository in the system's own registry; empty where
	// it has none, or more than one.
	Image string
	// HeadSHA is the commit of a pull request's branch, where SHA is that of its merge
	// into the base branch; empty where there is no such difference.
	HeadSHA string
	// Warnings say what could not be read.
	Warnings []string
}

// readFile reads a file that a variable names, of at most so many bytes.
type readFile func(path string, limit int64) ([]byte, error)

// refSystems are the systems that tell what a pipeline runs for, by their names.
// Tekton and Argo tell nothing. Gitea and Forgejo set the variables of GitHub.
var refSystems = map[string]func(Variables, readFile) Pipeline{
	"forgejo":    Variables.githubPipeline,
	"gitea":      Variables.githubPipeline,
	"github":     Variables.githubPipeline,
	"gitlab":     Variables.gitlabPipeline,
	"azure":      Variables.azurePipeline,
	"bitbucket":  Variables.bitbucketPipeline,
	"buildkite":  Variables.buildkitePipeline,
	"circleci":   Variables.circlePipeline,
	"woodpecker": Variables.woodpeckerPipeline,
	"drone":      Variables.dronePipeline,
	"jenkins":    Variables.jenkinsPipeline,
}

// Pipeline returns what the pipeline runs for, by the variables of a CI system. It
// returns false for a system that tells nothing. read reads a file of at most so many
// bytes.
func (s System) Pipeline(v Variables, read func(path string, limit int64) ([]byte, error)) (Pipeline, bool) {
	pipeline, ok := refSystems[s.Name]
	if !ok {
		return Pipeline{}, false
	}
	p := pipeline(v, read)
	p.Context.Clean()
	p.Context.URL = webURL(p.Context.URL)
	p.Image, p.HeadSHA = tagrule.OneLine(p.Image), tagrule.OneLine(p.HeadSHA)
	return p, true
}

// ref is the full name of a reference: that of the first that is not empty, in the
// order pull request, tag, branch.
func ref(pullRequest, tag, branch string) string {
	switch {
	case pullRequest != "":
		return fmt.Sprintf("refs/pull/%s/merge", pullRequest)
	case tag != "":
		return "refs/tags/" + tag
	case branch != "":
		return "refs/heads/" + branch
	}
	return ""
}

// eventOf is the event of a reference that a person or a schedule has not started.
func eventOf(started, pullRequest string) string {
	if started == "" && pullRequest != "" {
		return tagrule.EventPullRequest
	}
	return cmp.Or(started, tagrule.EventPush)
}

// webURL is the page of a repository that is cloned from an address, without its
// credentials; empty for what names no host. An address for http keeps it. The port of
// any other protocol but https is none of the page.
func webURL(address string) string {
	host, path, found := strings.Cut(remote(address), "/")
	if !found {
		return ""
	}
	page := url.URL{Scheme: "https", Host: host, Path: "/" + path}
	from, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(address)), "://")
	switch from {
	case "http":
		page.Scheme = from
	case "https":
	default:
		page.Host = strings.TrimSuffix(host, ":"+page.Port())
	}
	return page.String()
}

// title is the name of a repository without its owner.
func title(repository string) string {
	if repository == "" {
		return ""
	}
	return strings.TrimSuffix(path.Base(repository), ".git")
}

// timestamp is a time in the form of RFC 3339, zero for anything else.
func timestamp(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return at
}
