package ci

// Buildkite is what Buildkite's agent sets.
type Buildkite struct {
	// Repository is BUILDKITE_REPO, Checkout BUILDKITE_BUILD_CHECKOUT_PATH.
	Repository, Checkout string
}

func (b Buildkite) identity() Identity {
	return Identity{Repository: remote(b.Repository), Workspace: b.Checkout}
}
