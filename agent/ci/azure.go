package ci

// Azure is what Azure Pipelines sets.
type Azure struct {
	// Repository is BUILD_REPOSITORY_URI, Sources BUILD_SOURCESDIRECTORY.
	Repository, Sources string
}

func (a Azure) identity() Identity {
	return Identity{Repository: remote(a.Repository), Workspace: a.Sources}
}
