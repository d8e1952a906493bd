package solve

import (
	"path"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
)

// GitDockerfile is a Dockerfile that the daemon reads from a git repository.
type GitDockerfile struct {
	// Remote is the repository's address, without a fragment; it may hold credentials.
	Remote string
	// Path is the path in the repository, with slashes.
	Path string
	// Name is what the daemon calls the file in warnings and errors.
	Name string
}

// GitDockerfile returns the Dockerfile of a build whose context and Dockerfile are in a
// git repository; false for all others. The reference of the URL is not in it.
func (p *Plan) GitDockerfile() (GitDockerfile, bool) {
	attrs := p.inputs.Attrs
	if p.inputs.DockerfileURL != "" || attrs[attrDockerfileKey] != "" || attrs[attrFilename] == "" {
		return GitDockerfile{}, false
	}
	ref, isGit, err := dfgitutil.ParseGitRef(attrs[attrContext])
	if !isGit || err != nil {
		return GitDockerfile{}, false
	}
	// The daemon does not leave the repository, whatever the path is.
	inside := path.Join("/", ref.SubDir, path.Join("/", attrs[attrFilename]))
	remote := ref.Remote
	if ref.IndistinguishableFromLocal { // github.com/team/app
		remote = "https://" + remote
	}
	return GitDockerfile{Remote: remote, Path: inside[1:], Name: attrs[attrFilename]}, true
}
