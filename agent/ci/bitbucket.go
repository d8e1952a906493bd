package ci

// Bitbucket is what Bitbucket Pipelines sets for a job.
type Bitbucket struct {
	BuildNumber string `env:"BITBUCKET_BUILD_NUMBER"`
	HTTPOrigin  string `env:"BITBUCKET_GIT_HTTP_ORIGIN"`
	CloneDir    string `env:"BITBUCKET_CLONE_DIR"`
}

func (v Variables) onBitbucket() bool { return v.Bitbucket.BuildNumber != "" }

func (v Variables) bitbucket() Identity {
	return Identity{Repository: remote(v.Bitbucket.HTTPOrigin), Workspace: v.Bitbucket.CloneDir}
}
