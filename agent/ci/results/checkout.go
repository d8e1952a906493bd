package results

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/agent/event"
)

// Checkout is the repository that a job works on. The zero Checkout is not known.
type Checkout struct {
	// Workspace is the absolute path of the directory into which the CI system cloned
	// it; empty when it is not known.
	Workspace string
	// Repository is its host and path, "gitlab.example/team/app"; empty when it is not
	// known.
	Repository string
}

// Location is where the Dockerfile of a build is. The zero Location is one that is
// neither on the agent nor in a git repository: from standard input, from a URL.
type Location struct {
	// Path is the absolute path on the agent; empty when it is not there.
	Path string
	// Git is the file in a git repository that the builder reads; nil when it is in none.
	Git *event.GitFile
}

// Named returns the Dockerfile if the builder means it by a name, else the zero
// Location. BuildKit knows a file of the agent by the last element of its path only.
func (l Location) Named(name string) Location {
	if l.Path != "" && name == filepath.Base(l.Path) || l.Git != nil && name == l.Git.Name {
		return l
	}
	return Location{}
}

// Elsewhere says for people where a finding is whose file is not in the job's
// repository: "Dockerfile:3", or "docker/Dockerfile:3 in github.com/team/base". name is
// what the builder calls the file, line counts from 1 and is 0 when it is not known. It
// is empty without a name.
func (l Location) Elsewhere(name string, line int) string {
	in := ""
	if l.Git != nil {
		name = l.Git.Path
		if l.Git.Repository != "" {
			in = " in " + l.Git.Repository
		}
	}
	if name == "" {
		return ""
	}
	if line > 0 {
		name = fmt.Sprintf("%s:%d", name, line)
	}
	return name + in
}

// File returns the path of a Dockerfile in the job's repository, with slashes: in the
// workspace, or in a git repository that is the job's own, whatever the reference. It
// is empty for one that is not in it. Links are followed on both sides.
func (c Checkout) File(l Location) string {
	if l.Git != nil && c.Repository != "" && strings.EqualFold(l.Git.Repository, c.Repository) {
		return l.Git.Path // hosts of git take their paths in either case
	}
	if c.Workspace == "" || l.Path == "" {
		return ""
	}
	rel, err := filepath.Rel(followed(c.Workspace), followed(l.Path))
	if err != nil || !filepath.IsLocal(rel) {
		return ""
	}
	return filepath.ToSlash(rel)
}

// followed is a path without symbolic links; the path itself where it leads nowhere.
func followed(path string) string {
	if end, err := filepath.EvalSymlinks(path); err == nil {
		return end
	}
	return path
}
