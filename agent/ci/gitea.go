package ci

// Gitea is what tells jobs of Gitea Actions and Forgejo Actions from those of GitHub
// Actions, whose variables both set as well.
type Gitea struct {
	// Actions is "true" in a job of Gitea and in one of Forgejo, ForgejoActions in
	// one of Forgejo.
	Actions        string `env:"GITEA_ACTIONS"`
	ForgejoActions string `env:"FORGEJO_ACTIONS"`
}

func (v Variables) onGitea() bool   { return v.Gitea.Actions == "true" }
func (v Variables) onForgejo() bool { return v.Gitea.ForgejoActions == "true" }

// giteaCommands are those of the runners of Gitea and Forgejo: GitHub's, but for
// annotations. They pass ::error and ::warning on to the log as they are, for people to
// read (handleCommand in internal/pkg/report/reporter.go of act_runner).
type giteaCommands struct{ githubCommands }

// Annotate implements Commands.
func (giteaCommands) Annotate(Annotation) string { return "" }
