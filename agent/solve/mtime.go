package solve

import (
	"path/filepath"

	"github.com/slipway-build/slipway/agent/solve/contextfs"
)

// resolveMtime decides about the times and opens what is known of the files.
func (p *preparation) resolveMtime() {
	if len(p.inputs.Mounts) == 0 {
		return
	}
	p.mtime = p.request.Mtime
	if p.mtime != contextfs.MtimeKeep && p.mtime != contextfs.MtimeContent {
		p.mtime = contextfs.MtimeContent
		if reason := p.needsTimes(); reason != "" {
			p.mtime = contextfs.MtimeKeep
			p.notes = append(p.notes, "the files of the context keep their times, which differ in every clone, so all are sent: "+reason)
		}
	}
	p.sums = contextfs.NewSums(p.request.SumDir, contextfs.SharedKey(p.contextDir))
	if p.mtime == contextfs.MtimeContent {
		p.sums.Load() // with kept times no file may have to be read
	}
}

// needsTimes says why a build may depend on the files' own times; empty when it
// does not. Results that tools keep between builds are one reason: a changed
// file whose derived time lies in the past would look older than what was made
// of it before, and a tool such as make or cargo would not look at it again.
func (p *preparation) needsTimes() string {
	for _, o := range p.request.Outputs {
		if o.RewritesTimes() {
			return "rewrite-timestamp of an output lowers later times to SOURCE_DATE_EPOCH and leaves earlier ones, such as derived ones, as they are"
		}
	}
	dir, name := p.inputs.Mounts[mountDockerfile], p.inputs.Attrs[attrFilename]
	if dir == "" {
		return "the Dockerfile is not on the agent, so it is not known whether it has cache mounts"
	}
	return contextfs.ComparesTimes(filepath.Join(dir, name))
}
