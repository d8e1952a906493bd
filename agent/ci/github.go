package ci

// GitHub is what GitHub Actions sets, and what understands its workflows.
type GitHub struct {
	// Server is GITHUB_SERVER_URL, Repository GITHUB_REPOSITORY (owner/name),
	// Workspace GITHUB_WORKSPACE.
	Server, Repository, Workspace string
}

func (g GitHub) identity() Identity {
	return Identity{Repository: join(g.Server, g.Repository), Workspace: g.Workspace}
}
