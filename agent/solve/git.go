package solve

import (
	"context"
	"maps"
	"path/filepath"

	"github.com/slipway-build/slipway/agent/solve/vcs"
)

// askAboutSources starts to ask git about a main context that is a local
// directory, and about named contexts beside it whose keys git may know: those of
// keys.unknown get a task of their own. The tasks must be stopped.
func askAboutSources(ctx context.Context, r Request, s *sources, keys *contextKeys) *vcs.Task {
	if s.dir == "" {
		return nil
	}
	q := vcs.NewQuery(r.lookup)
	q.Environ = r.Environ
	q.Dir, q.Mounts = s.dir, maps.Clone(s.inputs.Mounts)
	// A Dockerfile that was written to a temporary directory is not below the
	// root and gets no label.
	if dir, name := s.inputs.dockerfile(); dir != "" && name != "" {
		q.Dockerfile = filepath.Join(dir, name)
	}
	q.Key = len(keys.unknown) > 0
	task := vcs.Start(ctx, q)
	for i, k := range keys.unknown {
		if _, inside := vcs.Below(s.dir, k.dir); !inside {
			keys.unknown[i].git = vcs.Start(ctx, vcs.Query{Dir: k.dir, Key: true, Timeout: vcs.Timeout, Environ: q.Environ})
		}
	}
	return task
}
