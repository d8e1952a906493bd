package solve

import "github.com/moby/buildkit/client"

// Warning is one finding of the Dockerfile linter. In JSON it has the shape
// that buildx writes under buildx.build.warnings.
type Warning = client.VertexWarning

// keep remembers the warnings of an increment.
func (f *feed) keep(s *client.SolveStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range s.Warnings {
		f.warnings = append(f.warnings, *w)
	}
}

// found are the warnings so far. It waits until the solves that have ended are
// passed on.
func (f *feed) found() []Warning {
	f.running.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.warnings
}
