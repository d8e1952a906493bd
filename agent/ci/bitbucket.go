package ci

// Bitbucket is what Bitbucket Pipelines sets.
type Bitbucket struct {
	// Origin is BITBUCKET_GIT_HTTP_ORIGIN, Clone BITBUCKET_CLONE_DIR.
	Origin, Clone string
}

func (b Bitbucket) identity() Identity {
	return Identity{Repository: remote(b.Origin), Workspace: b.Clone}
}
