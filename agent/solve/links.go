package solve

import (
	"os"
	"path/filepath"

	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/internal/fault"
)

// checkLinks refuses links that BuildKit does not follow where the user would
// not expect it: it reads the Dockerfile and .dockerignore within the directory
// that is sent, and a link out of that directory leads nowhere there. Without
// its .dockerignore a build would send, and keep in an image, what was to stay
// on the agent.
func (s *sources) checkLinks() {
	name := s.inputs.Attrs[attrFilename]
	ofContext := true
	if dir := s.inputs.Mounts[mountDockerfile]; dir != "" && name != "" {
		if problem, target := contextfs.LostLink(dir, name); problem != "" {
			flag, value := "--file", s.request.Dockerfile
			if value == "" {
				flag, value = "build context", s.request.Context
				problem = name + " " + problem
			}
			hint := ""
			if target != "" {
				hint = "name the file itself: --file " + target
			}
			s.mistakes.Add(&fault.Usage{Flag: flag, Value: value, Problem: problem, Hint: hint})
		}
		own := name + contextfs.IgnoreFile // takes the place of the context's
		s.checkIgnoreFile(dir, own)
		_, err := os.Lstat(filepath.Join(dir, own))
		ofContext = err != nil
	}
	if s.dir != "" && ofContext {
		s.checkIgnoreFile(s.dir, contextfs.IgnoreFile)
	}
	for _, c := range s.named {
		s.checkIgnoreFile(c.Value, contextfs.IgnoreFile)
	}
}

func (s *sources) checkIgnoreFile(dir, name string) {
	s.mistakes.Add(contextfs.CheckIgnoreFile(dir, name))
}
