package ci

// CircleCI is what CircleCI sets.
type CircleCI struct {
	// Repository is CIRCLE_REPOSITORY_URL, Directory CIRCLE_WORKING_DIRECTORY,
	// which may begin with ~ for Home.
	Repository, Directory, Home string
}

func (c CircleCI) identity() Identity {
	dir := c.Directory
	if len(dir) > 0 && dir[0] == '~' && c.Home != "" {
		dir = c.Home + dir[1:]
	}
	return Identity{Repository: remote(c.Repository), Workspace: dir}
}
