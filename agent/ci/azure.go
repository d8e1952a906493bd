package ci

// Azure is what Azure Pipelines sets for a job.
type Azure struct {
	RepositoryURI    string `env:"BUILD_REPOSITORY_URI"`
	SourcesDirectory string `env:"BUILD_SOURCESDIRECTORY"`
}

func (a Azure) identity() Identity {
	return Identity{Repository: remote(a.RepositoryURI), Workspace: a.SourcesDirectory}
}

func (Azure) reporter(plain Reporter) Reporter { return plain }
