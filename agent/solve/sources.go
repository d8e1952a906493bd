package solve

import (
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// sources are where the files of a build are: its context, its Dockerfile and
// its named contexts.
type sources struct {
	request Request
	inputs  inputs
	dir     string          // of a context that is a local directory, absolute; else empty
	named   []BuildContext  // local directories of --build-context, absolute
	caps    []string        // what the frontend must know
	temp    *target.Staging // what was spooled; nil when nothing was

	mistakes fault.UsageList
}

// findSources finds the sources of a build and checks them. temp is to be
// removed whatever happens.
func findSources(r Request) *sources {
	s := &sources{request: r, inputs: inputs{
		Attrs:   map[string]string{},
		Mounts:  map[string]string{},
		Layouts: map[string]string{},
	}}
	if r.Held != nil {
		return s // it is built already
	}
	main := s.findContext()
	s.dir = main.dir
	s.findDockerfile(main)
	s.findNamed()
	s.checkLinks()
	return s
}

// dockerfile returns the directory of a Dockerfile that is on the agent, and its
// name there; empty when it is elsewhere.
func (in inputs) dockerfile() (dir, name string) {
	return in.Mounts[mountDockerfile], in.Attrs[attrFilename]
}
