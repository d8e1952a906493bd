package ci

import (
	"path"
	"path/filepath"
	"strings"
)

// Identity is which repository a job works on, the same on every agent.
type Identity struct {
	// Repository is host and path of the repository, without scheme and
	// credentials: "gitlab.example/team/app".
	Repository string
	// Workspace is the absolute path of the directory into which the CI
	// system cloned it.
	Workspace string
}

// Path returns what identifies a directory on every agent: the repository and
// the path in it, "gitlab.example/team/app//docker". It reports false for one
// outside of the workspace. Links are followed on both sides.
func (id Identity) Path(dir string) (string, bool) {
	if id.Workspace == "" {
		return "", false
	}
	root, err := filepath.EvalSymlinks(id.Workspace)
	if err != nil {
		return "", false
	}
	dir, err = filepath.EvalSymlinks(dir)
	if err != nil {
		return "", false
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	return id.Repository + "//" + filepath.ToSlash(rel), true
}

// join puts a server's URL and a repository's path together.
func join(server, repository string) string {
	if server == "" || repository == "" {
		return ""
	}
	return remote(strings.TrimSuffix(server, "/") + path.Clean("/"+repository))
}
