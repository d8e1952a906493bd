package ci

// Buildkite is what Buildkite's agent sets for a job.
type Buildkite struct {
	Repo         string `env:"BUILDKITE_REPO"`
	CheckoutPath string `env:"BUILDKITE_BUILD_CHECKOUT_PATH"`
}

func (b Buildkite) identity() Identity {
	return Identity{Repository: remote(b.Repo), Workspace: b.CheckoutPath}
}

func (Buildkite) reporter(plain Reporter) Reporter { return plain }
