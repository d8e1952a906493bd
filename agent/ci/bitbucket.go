package ci

// Bitbucket is what Bitbucket Pipelines sets for a job.
type Bitbucket struct {
	HTTPOrigin string `env:"BITBUCKET_GIT_HTTP_ORIGIN"`
	CloneDir   string `env:"BITBUCKET_CLONE_DIR"`
}

func (b Bitbucket) identity() Identity {
	return Identity{Repository: remote(b.HTTPOrigin), Workspace: b.CloneDir}
}

func (Bitbucket) reporter(plain Reporter) Reporter { return plain }
