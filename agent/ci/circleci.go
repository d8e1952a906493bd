package ci

// CircleCI is what CircleCI sets for a job.
type CircleCI struct {
	RepositoryURL string `env:"CIRCLE_REPOSITORY_URL"`
	// WorkingDirectory may begin with ~ for Home.
	WorkingDirectory string `env:"CIRCLE_WORKING_DIRECTORY"`
	// Home is the user's home directory; it is not filled by a tag.
	Home string
}

func (c CircleCI) identity() Identity {
	dir := c.WorkingDirectory
	if len(dir) > 0 && dir[0] == '~' && c.Home != "" {
		dir = c.Home + dir[1:]
	}
	return Identity{Repository: remote(c.RepositoryURL), Workspace: dir}
}

func (CircleCI) reporter(plain Reporter) Reporter { return plain }
