package solve

import (
	"maps"

	"github.com/slipway-build/slipway/agent/solve/contextfs"
)

// contextKey is the shared key of a local directory whose identity the caller
// does not know. Git may know it: a solve asks when it begins.
type contextKey struct {
	attr string // attribute that holds the key; empty for that of the session
	name string // of a named context
	dir  string
	git  *gitTask // nil for that of the main context
}

// resolveKeys finds the shared keys of the contexts that are local
// directories. It runs when the times of files are decided.
func (p *preparation) resolveKeys() {
	if p.contextDir != "" {
		p.inputs.SharedKey = p.key(contextKey{dir: p.contextDir})
	}
	for _, c := range p.named {
		attr := "sharedkey:localdir:" + c.Name
		p.inputs.Attrs[attr] = p.key(contextKey{attr: attr, name: c.Name, dir: c.Value})
	}
}

// key is the key of a directory as far as it is known without git: the given
// one (the name tells the contexts of one build apart), the caller's, else its
// place.
func (p *preparation) key(k contextKey) string {
	if given := p.request.ContextKey; given != "" {
		return p.keyOf(given, k.name)
	}
	if p.request.Identify != nil {
		if identity, ok := p.request.Identify(k.dir); ok {
			return p.keyOf(identity)
		}
	}
	p.keys = append(p.keys, k)
	return p.keyOf(k.dir)
}

// keyOf makes a key of what identifies a context. Kept and derived times have
// keys of their own: they would make each other's files look changed.
func (p *Plan) keyOf(parts ...string) string {
	if p.mtime == contextfs.MtimeContent {
		parts = append(parts, string(contextfs.MtimeContent))
	}
	return contextfs.SharedKey(parts...)
}

// resolved are the inputs with what git had to say.
func (p *Plan) resolved() Inputs {
	in := p.inputs
	facts := p.git.wait()
	in.Attrs = maps.Clone(in.Attrs)
	maps.Copy(in.Attrs, facts.attrs)
	for _, k := range p.keys {
		known := facts
		if k.git != nil {
			known = k.git.wait()
		}
		rel, ok := below(known.root, k.dir)
		if !ok || known.root == "" || known.remote == "" {
			continue
		}
		if key := p.keyOf(known.remote, rel); k.attr == "" {
			in.SharedKey = key
		} else {
			in.Attrs[k.attr] = key
		}
	}
	return in
}
