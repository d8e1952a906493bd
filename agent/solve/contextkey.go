package solve

import (
	"maps"

	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/agent/solve/vcs"
)

// contextKey is the shared key of a local directory whose identity the caller
// does not know. Git may know it: a solve asks when it begins.
type contextKey struct {
	attr string // attribute that holds the key; empty for that of the session
	name string // of a named context
	dir  string
	git  *vcs.Task // nil for that of the main context
}

// contextKeys are the shared keys of the contexts that are local directories.
type contextKeys struct {
	mode    contextfs.MtimeMode // of the files' times
	session string              // that of the main context; empty when it is no directory
	attrs   map[string]string   // those of named contexts, by attribute
	unknown []contextKey        // those that git may know better
}

// findKeys finds the keys of the sources, whose files have these times.
func findKeys(r Request, s *sources, t times) contextKeys {
	keys := contextKeys{mode: t.mode, attrs: map[string]string{}}
	if s.dir != "" {
		keys.session = keys.find(r, contextKey{dir: s.dir})
	}
	for _, c := range s.named {
		attr := "sharedkey:localdir:" + c.Name
		keys.attrs[attr] = keys.find(r, contextKey{attr: attr, name: c.Name, dir: c.Value})
	}
	return keys
}

// find is the key of a directory as far as it is known without git: the given
// one (the name tells the contexts of one build apart), the caller's, else its
// place.
func (keys *contextKeys) find(r Request, k contextKey) string {
	if given := r.ContextKey; given != "" {
		return keys.of(given, k.name)
	}
	if r.Identify != nil {
		if identity, ok := r.Identify(k.dir); ok {
			return keys.of(identity)
		}
	}
	keys.unknown = append(keys.unknown, k)
	return keys.of(k.dir)
}

// of makes a key of what identifies a context. Kept and derived times have keys
// of their own: they would make each other's files look changed.
func (keys contextKeys) of(parts ...string) string {
	if keys.mode == contextfs.MtimeContent {
		parts = append(parts, string(contextfs.MtimeContent))
	}
	return contextfs.SharedKey(parts...)
}

// resolved are the inputs with what git had to say.
func (p *Plan) resolved() inputs {
	in := p.inputs
	facts := p.git.Wait()
	in.Attrs = maps.Clone(in.Attrs)
	maps.Copy(in.Attrs, facts.Attrs)
	for _, k := range p.keys.unknown {
		known := facts
		if k.git != nil {
			known = k.git.Wait()
		}
		rel, ok := vcs.Below(known.Root, k.dir)
		if !ok || known.Root == "" || known.Remote == "" {
			continue
		}
		if key := p.keys.of(known.Remote, rel); k.attr == "" {
			in.SharedKey = key
		} else {
			in.Attrs[k.attr] = key
		}
	}
	return in
}
