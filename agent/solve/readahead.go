package solve

import "context"

// ReadAhead reads the files of the context, but for those that .dockerignore
// excludes, until ctx ends, so that their times are known by the time when the
// daemon asks for them.
func (p *Plan) ReadAhead(ctx context.Context) {
	if m, ok := p.mounts[mountContext]; ok {
		m.ReadAhead(ctx, p.inputs.Attrs[attrFilename])
	}
}
