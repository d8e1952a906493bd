package ci

// CircleCI is what CircleCI sets for a job.
type CircleCI struct {
	CI            string `env:"CIRCLECI"`
	RepositoryURL string `env:"CIRCLE_REPOSITORY_URL"`
	// WorkingDirectory may begin with ~ for Home.
	WorkingDirectory string `env:"CIRCLE_WORKING_DIRECTORY"`
	// Home is the user's home directory; it is not filled by a tag.
	Home string
}

func (v Variables) onCircleCI() bool { return v.CircleCI.CI == "true" }

func (v Variables) circleci() Identity {
	c := v.CircleCI
	dir := c.WorkingDirectory
	if len(dir) > 0 && dir[0] == '~' && c.Home != "" {
		dir = c.Home + dir[1:]
	}
	return Identity{Repository: remote(c.RepositoryURL), Workspace: dir}
}
