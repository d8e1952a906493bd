package ci

// GitLab is what GitLab CI sets.
type GitLab struct {
	// Server is CI_SERVER_URL, Project CI_PROJECT_PATH (group/name), Directory
	// CI_PROJECT_DIR.
	Server, Project, Directory string
}

func (g GitLab) identity() Identity {
	return Identity{Repository: join(g.Server, g.Project), Workspace: g.Directory}
}
