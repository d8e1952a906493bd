package solve

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
	"github.com/moby/buildkit/util/gitutil"

	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/agent/solve/layout"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/target"
)

// stdin is the value of a context or Dockerfile that is read from stdin.
const stdin = "-"

// isHTTP reports whether a value is an http(s) URL, by its scheme alone.
func isHTTP(value string) bool {
	return strings.HasPrefix(value, "https://") || strings.HasPrefix(value, "http://")
}

// isRemote reports whether a context is fetched by the daemon: an http(s) URL
// or one of the forms of a git reference.
func isRemote(value string) bool {
	if isHTTP(value) {
		return true
	}
	_, ok, _ := dfgitutil.ParseGitRef(value)
	return ok
}

// remoteProblem finds mistakes in a URL that is recognised as git, for
// example an unknown query. No network is touched.
func remoteProblem(value string) string {
	if _, ok, err := dfgitutil.ParseGitRef(value); ok && err != nil {
		return err.Error()
	}
	return ""
}

// isGitSSH reports whether a context is cloned over ssh, which wants an agent
// without being told.
func isGitSSH(context string) bool {
	u, err := gitutil.ParseURL(context)
	return err == nil && u.Scheme == gitutil.SSHProtocol
}

// gitCaps is what the frontend must know to understand a git URL with a query
// (?ref=…&subdir=…): an old one would take it for part of the path.
func gitCaps(value string, named bool) []string {
	u, err := gitutil.ParseURL(value)
	if err != nil || len(u.Query) == 0 {
		return nil
	}
	const capQuery = "moby.buildkit.frontend.gitquerystring"
	if named {
		return []string{capQuery + "+forward"}
	}
	return []string{capQuery}
}

// localDir returns the absolute path of a directory that exists and can be
// read.
func localDir(workdir, path string) (abs, problem string) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fault.Cause(err)
	}
	if !info.IsDir() {
		return "", "is not a directory"
	}
	if _, err := os.ReadDir(path); err != nil {
		return "", "cannot be read: " + fault.Cause(err)
	}
	abs, err = target.Absolute(workdir, path)
	if err != nil {
		return "", err.Error()
	}
	return abs, ""
}

// mainContext is what the main context is; the zero value is one that was not
// found.
type mainContext struct {
	dir      string // absolute, of a local directory
	remote   bool   // it is a URL
	streamed bool   // it came through a pipe
}

// findContext finds the main context.
func (s *sources) findContext() (main mainContext) {
	value := s.request.Context
	fail := func(problem, hint string) {
		s.mistakes.Add(&fault.Usage{Flag: "build context", Value: value, Problem: problem, Hint: hint})
	}
	switch {
	case value == "":
		fail("is missing", `give one, for example "." for the current directory`)
	case value == stdin && s.request.Dockerfile == stdin:
		fail("stdin cannot be both the context and the Dockerfile", "")
	case value == stdin:
		in, err := s.request.Files.StreamStdin()
		if err == nil {
			main.streamed = true
			err = s.streamContext("stdin", in)
		}
		if err != nil {
			fail(err.Error(), hintOf(err))
		}
	case isDir(value):
		abs, problem := localDir(s.request.WorkDir, value)
		if problem != "" {
			fail(problem, "")
			return main
		}
		s.inputs.Mounts[mountContext] = abs
		main.dir = abs
	case isRemote(value):
		if problem := remoteProblem(value); problem != "" {
			fail(problem, "")
			return main
		}
		s.inputs.Attrs[attrContext] = value
		s.caps = append(s.caps, gitCaps(value, false)...)
		s.inputs.SharedKey = contextfs.SharedKey(cmp.Or(s.request.ContextKey, value))
		main.remote = true
	case source.IsStream(value):
		in, err := s.request.Files.Stream(value)
		if err == nil {
			main.streamed = true
			err = s.streamContext("the pipe", in)
		}
		if err != nil {
			fail(err.Error(), hintOf(err))
		}
	default:
		_, problem := localDir(s.request.WorkDir, value)
		fail(problem, "")
	}
	return main
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// findNamed finds the contexts of --build-context.
func (s *sources) findNamed() {
	for _, c := range s.request.Contexts {
		if problem := s.resolveNamed(c); problem != "" {
			s.mistakes.Add(&fault.Usage{Flag: "--build-context", Value: c.Name + "=" + c.Value, Problem: problem})
		}
	}
	if len(s.request.Contexts) > 0 {
		s.caps = append(s.caps, "moby.buildkit.frontend.contexts+forward")
	}
}

func (s *sources) resolveNamed(c BuildContext) (problem string) {
	attr := "context:" + c.Name
	switch {
	case isRemote(c.Value):
		if problem := remoteProblem(c.Value); problem != "" {
			return problem
		}
		s.inputs.Attrs[attr] = c.Value
		s.caps = append(s.caps, gitCaps(c.Value, true)...)
	case strings.HasPrefix(c.Value, "docker-image://"):
		s.inputs.Attrs[attr] = c.Value
	case strings.HasPrefix(c.Value, layout.Scheme):
		image, err := layout.Open(s.request.WorkDir, c.Value)
		if err != nil {
			return err.Error()
		}
		store := fmt.Sprintf("layout%d", len(s.inputs.Layouts))
		s.inputs.Layouts[store] = image.Dir
		s.inputs.Attrs[attr] = image.Reference(store)
	case strings.Contains(c.Value, "://"):
		scheme, _, _ := strings.Cut(c.Value, "://")
		return fmt.Sprintf("unknown scheme %s://", scheme)
	default:
		abs, problem := localDir(s.request.WorkDir, c.Value)
		if problem != "" {
			return problem
		}
		mount := c.Name
		if mount == mountContext || mount == mountDockerfile {
			mount = "_" + mount // the frontend's own names stay theirs
		}
		s.inputs.Mounts[mount] = abs
		s.inputs.Attrs[attr] = "local:" + mount
		s.named = append(s.named, BuildContext{Name: c.Name, Value: abs})
	}
	return ""
}
