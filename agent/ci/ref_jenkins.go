package ci

import (
	"cmp"
	"strings"

	"github.com/slipway-build/slipway/agent/ci/tagrule"
)

// JenkinsRef is what a build of Jenkins is for. The first ones are those of
// multibranch pipelines, https://plugins.jenkins.io/branch-api/, the others those of
// the git plugin, https://plugins.jenkins.io/git/.
type JenkinsRef struct {
	// BranchName is PR-NUMBER or the tag in builds of those.
	BranchName string `env:"BRANCH_NAME"`
	TagName    string `env:"TAG_NAME"`
	// Primary is "true" on the default branch, where the server of the repository
	// tells it.
	Primary      string `env:"BRANCH_IS_PRIMARY"`
	ChangeID     string `env:"CHANGE_ID"`
	ChangeTarget string `env:"CHANGE_TARGET"`
	// Branch is origin/BRANCH, refs/tags/TAG or the like.
	Branch      string `env:"GIT_BRANCH"`
	LocalBranch string `env:"GIT_LOCAL_BRANCH"`
	SHA         string `env:"GIT_COMMIT"`
}

func (v Variables) jenkinsPipeline(readFile) Pipeline {
	r := v.Refs.Jenkins
	branch, tag := r.BranchName, r.TagName
	if branch == "" && tag == "" {
		branch = r.Branch
		for _, prefix := range []string{"refs/remotes/", "remotes/", "refs/heads/", "origin/"} {
			branch = strings.TrimPrefix(branch, prefix)
		}
		for _, prefix := range []string{"refs/tags/", "tags/"} {
			if name, ok := strings.CutPrefix(branch, prefix); ok {
				branch, tag = "", name
			}
		}
		if branch == "detached" {
			branch = r.LocalBranch
		}
		if tag == "" {
			branch = cmp.Or(r.LocalBranch, branch)
		}
	}
	p := Pipeline{Context: tagrule.Context{
		Event: eventOf("", r.ChangeID), Ref: ref(r.ChangeID, tag, branch), SHA: r.SHA, BaseRef: r.ChangeTarget,
		Title: title(remote(v.Jenkins.GitURL)), URL: webURL(v.Jenkins.GitURL),
	}}
	if r.Primary == "true" {
		p.Context.DefaultBranch = p.Context.Branch()
	}
	return p
}
