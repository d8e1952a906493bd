package solve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/target"
)

// findDockerfile finds the Dockerfile of a context.
func (s *sources) findDockerfile(main mainContext) {
	value := s.request.Dockerfile
	fail := func(problem, hint string) {
		s.mistakes.Add(&fault.Usage{Flag: "--file", Value: value, Problem: problem, Hint: hint})
	}
	switch {
	case main.streamed && s.inputs.ContextFile == "":
		// The Dockerfile came with the context, or its stream failed.
	case s.request.Inline != "":
		if err := s.keepDockerfile([]byte(s.request.Inline)); err != nil {
			fail(err.Error(), hintOf(err))
		}
	case value == stdin:
		data, err := s.request.Files.ReadStdin(maxDockerfile)
		if err == nil {
			err = s.keepDockerfile(data)
		}
		if err != nil {
			fail(err.Error(), hintOf(err))
		}
	case source.IsStream(value):
		data, err := s.request.Files.Read(value, maxDockerfile)
		if err == nil {
			err = s.keepDockerfile(data)
		}
		if temp := (*target.TempError)(nil); errors.As(err, &temp) {
			fail(err.Error(), hintOf(err))
		} else if err != nil {
			fail(fault.Cause(err), hintOf(err))
		}
	case isHTTP(value):
		s.inputs.DockerfileURL = value
		s.inputs.Attrs[attrDockerfileKey] = mountDockerfile
		s.inputs.Attrs[attrFilename] = defaultDockerfile
	case main.remote && filepath.IsAbs(value):
		s.inputs.Attrs[attrDockerfileKey] = mountDockerfile
		s.localDockerfile(value)
	case main.remote || s.inputs.ContextFile != "":
		// Inside the context, which only the daemon reads.
		s.inputs.Attrs[attrFilename] = defaultDockerfile
		if value != "" {
			s.inputs.Attrs[attrFilename] = value
		}
	case value != "":
		s.localDockerfile(value)
	case main.dir != "":
		s.localDockerfile(filepath.Join(main.dir, defaultDockerfile))
	}
}

// maxLocalDockerfile bounds a Dockerfile that is a file on the agent, which
// reads it, in bytes.
const maxLocalDockerfile = 16 << 20

// localDockerfile serves a Dockerfile from its own directory, where the
// frontend also looks for <Dockerfile>.dockerignore.
func (s *sources) localDockerfile(path string) {
	path = lowercaseDockerfile(path)
	fail := func(problem string) {
		e := &fault.Usage{Flag: "--file", Value: path, Problem: problem}
		if s.request.Dockerfile == "" {
			e = &fault.Usage{Flag: "build context", Value: s.request.Context, Problem: "Dockerfile: " + problem, Hint: "name the Dockerfile with --file"}
		}
		s.mistakes.Add(e)
	}
	info, err := os.Stat(path)
	if s.request.Dockerfile != "" && errors.Is(err, fs.ErrNotExist) {
		s.mistakes.Add(&fault.Usage{Flag: "--file", Value: path, Problem: fault.Cause(err), Hint: meantDockerfile(path, s.request.Context)})
		return
	}
	if err != nil {
		fail(fault.Cause(err))
		return
	}
	switch {
	case info.IsDir():
		fail("is a directory")
		return
	case !info.Mode().IsRegular(): // nothing in a checkout may be waited for
		fail("is not a regular file")
		return
	case info.Size() > maxLocalDockerfile:
		fail((&source.TooLongError{Limit: maxLocalDockerfile}).Error())
		return
	}
	f, err := os.Open(path)
	if err != nil {
		fail(fault.Cause(err))
		return
	}
	if err := f.Close(); err != nil {
		fail(fault.Cause(err))
		return
	}
	dir, err := target.Absolute(s.request.WorkDir, filepath.Dir(path))
	if err != nil {
		fail(err.Error())
		return
	}
	if _, err := os.Stat(path + ".rego"); err == nil && !s.request.PolicyDisabled {
		// docker buildx enforces such a policy; passing over it would be dangerous.
		s.mistakes.Add(&fault.Usage{
			Flag: "--file", Value: path, Problem: fmt.Sprintf("the policy %s is beside it, and slipway evaluates none", filepath.Base(path)+".rego"),
			Hint: "--policy disabled=true builds without the policy",
		})
		return
	}
	s.inputs.Mounts[mountDockerfile] = dir
	s.inputs.Attrs[attrFilename] = filepath.Base(path)
	s.inputs.DockerfilePath = filepath.Join(dir, filepath.Base(path))
}

// lowercaseDockerfile returns the path of "dockerfile" when it exists where
// "Dockerfile" does not; docker accepts both spellings.
func lowercaseDockerfile(path string) string {
	if filepath.Base(path) != defaultDockerfile {
		return path
	}
	if _, err := os.Lstat(path); err == nil {
		return path
	}
	lower := filepath.Join(filepath.Dir(path), strings.ToLower(defaultDockerfile))
	if _, err := os.Lstat(lower); err != nil {
		return path
	}
	return lower
}
