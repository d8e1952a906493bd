package ci

// Jenkins is what Jenkins sets. Its git plugin tells the repository in
// declarative pipelines, not in scripted ones.
type Jenkins struct {
	// URL is GIT_URL, Workspace WORKSPACE. Job says whether JENKINS_URL is
	// set, without which the others may be anybody's.
	URL, Workspace string
	Job            bool
}

func (j Jenkins) identity() Identity {
	if !j.Job {
		return Identity{}
	}
	return Identity{Repository: remote(j.URL), Workspace: j.Workspace}
}
