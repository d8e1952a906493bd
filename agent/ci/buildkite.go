package ci

import "time"

// Buildkite is what Buildkite's agent sets for a job.
type Buildkite struct {
	Buildkite    string `env:"BUILDKITE"`
	Repo         string `env:"BUILDKITE_REPO"`
	CheckoutPath string `env:"BUILDKITE_BUILD_CHECKOUT_PATH"`
}

func (v Variables) onBuildkite() bool { return v.Buildkite.Buildkite == "true" }

func (v Variables) buildkite() Identity {
	return Identity{Repository: remote(v.Buildkite.Repo), Workspace: v.Buildkite.CheckoutPath}
}

// buildkiteCommands are the headings of Buildkite's log
// (https://buildkite.com/docs/pipelines/configure/managing-log-output): a heading goes
// on to the next one, and there is none that ends it.
type buildkiteCommands struct{ noCommands }

// Begin implements Commands.
func (buildkiteCommands) Begin(_, title string, _ time.Time, folded bool) string {
	if folded {
		return "--- " + title
	}
	return "+++ " + title
}

// Unfold implements Commands.
func (buildkiteCommands) Unfold() string { return "^^^ +++" }

// Alone implements Commands: a heading of its own, since the line would belong to the
// section before it otherwise, in muted colours.
func (buildkiteCommands) Alone(line string) string { return "~~~ " + line }
