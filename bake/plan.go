package bake

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Plan is what is to be built. Its JSON is what docker buildx bake --print prints.
type Plan struct {
	Groups  map[string]*Group  `json:"group,omitempty"`
	Targets map[string]*Target `json:"target"`
	// Named are the paths that --set has named, which are allowed by that.
	Named Paths `json:"-"`
}

// Paths are paths of the file system outside of which a bake file needs permission.
type Paths struct{ Read, Write []string }

// Plan resolves targets and groups by their names, or by patterns of them, with
// overrides as --set has them: PATTERN.KEY=VALUE, or PATTERN.KEY+=VALUE to add.
func (c *Config) Plan(names, overrides []string) (*Plan, error) {
	var asked []string
	for _, name := range names {
		found, err := matching(serviceName(name), c.Names())
		if err != nil {
			return nil, err
		}
		asked = append(asked, found...)
	}
	asked = uniqueStrings(asked)
	set, err := c.parseOverrides(overrides)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Groups: map[string]*Group{}, Targets: map[string]*Target{}}
	r := resolver{config: c, overrides: set, plan: plan, whole: map[string]*Target{}, linked: map[string]bool{}}
	done := map[string]expansion{}
	for _, name := range asked {
		of := c.expand(name, done)
		for _, target := range of.targets {
			if plan.Targets[target], err = r.resolve(target); err != nil {
				return nil, err
			}
		}
		for _, group := range of.groups {
			g := *c.group(group)
			plan.Groups[group] = &g
		}
	}
	plan.setDefault(asked)
	for _, name := range slices.Sorted(maps.Keys(plan.Targets)) {
		if err := r.link(name, nil); err != nil {
			return nil, err
		}
	}
	for _, t := range plan.Targets {
		if epoch, _ := c.lookup(sourceDateEpoch); epoch != "" && t.Args[sourceDateEpoch] == nil {
			t.Args = withValues(t.Args, map[string]*string{sourceDateEpoch: &epoch})
		}
	}
	return plan, nil
}

// sourceDateEpoch is the variable by which builds are reproducible
// (https://reproducible-builds.org/specs/source-date-epoch/). It is an argument of
// every target.
const sourceDateEpoch = "SOURCE_DATE_EPOCH"

// setDefault makes what was asked for the default of what is printed.
func (p *Plan) setDefault(asked []string) {
	const standard = "default"
	for _, name := range asked {
		if name == standard && p.Groups[standard] != nil {
			continue
		}
		if p.Groups[standard] == nil {
			p.Groups[standard] = &Group{Name: standard}
		}
		p.Groups[standard].Targets = append(slices.Clone(p.Groups[standard].Targets), name)
	}
	if g := p.Groups[standard]; g != nil {
		g.Targets = slices.Sorted(slices.Values(uniqueStrings(g.Targets)))
	}
}

// resolver makes targets complete.
type resolver struct {
	config    *Config
	overrides map[string]settings
	plan      *Plan
	// whole are the targets with what they inherit, and linked those whose contexts are
	// in the plan: each is looked at once, however many others lead to it.
	whole  map[string]*Target
	linked map[string]bool
}

// resolve returns a target with what it inherits and what was set for it.
func (r resolver) resolve(name string) (*Target, error) {
	whole, err := r.inherit(name, nil)
	if err != nil {
		return nil, err
	}
	t := &Target{}
	*t = *whole
	t.Name = name
	t.Inherits = nil
	if t.Context == nil {
		t.Context = new(string)
		*t.Context = "."
	}
	if t.Dockerfile == nil || *t.Dockerfile == "" {
		t.Dockerfile = new(string)
		*t.Dockerfile = "Dockerfile"
	}
	return t, nil
}

func (r resolver) inherit(name string, children []string) (*Target, error) {
	if whole := r.whole[name]; whole != nil {
		return whole, nil
	}
	t := r.config.target(name)
	switch {
	case t == nil && len(children) > 0:
		return nil, fmt.Errorf("target %q inherits from %q, which is no target%s", children[len(children)-1], name, r.config.alike(name))
	case t == nil && r.config.group(name) != nil:
		return nil, fmt.Errorf("group %q names itself", name)
	case t == nil:
		return nil, fmt.Errorf("%q is neither a target nor a group%s", name, r.config.alike(name))
	case slices.Contains(children, name):
		return nil, fmt.Errorf("target %q inherits from itself: %s", name, strings.Join(append(children, name), " -> "))
	}
	merged := &Target{}
	for _, parent := range t.Inherits {
		of, err := r.inherit(parent, append(slices.Clone(children), name))
		if err != nil {
			return nil, err
		}
		merged.Merge(of)
	}
	merged.Merge(t)
	if err := r.overrides[name].apply(merged, &r.plan.Named); err != nil {
		return nil, fmt.Errorf("target %q: %w", name, err)
	}
	merged.normalize()
	merged.Inherits = nil // those of parents would double with each level
	r.whole[name] = merged
	return merged, nil
}

// linkPrefix is what a context begins with that is another target.
const linkPrefix = "target:"

// Links are the targets that are contexts of this one, by the names of the contexts.
func (t *Target) Links() map[string]string {
	links := map[string]string{}
	for name, value := range t.Contexts {
		if target, ok := strings.CutPrefix(value, linkPrefix); ok {
			links[name] = target
		}
	}
	return links
}

// link adds the targets that a target has as contexts.
func (r resolver) link(name string, within []string) error {
	if r.linked[name] {
		return nil
	}
	t := r.plan.Targets[name]
	within = append(slices.Clone(within), name)
	links := t.Links()
	for _, context := range slices.Sorted(maps.Keys(links)) {
		other := links[context]
		if slices.Contains(within, other) {
			return fmt.Errorf("target %q is a context of itself: %s", other, strings.Join(append(within, other), " -> "))
		}
		if r.plan.Targets[other] == nil {
			linked, err := r.resolve(other)
			if err != nil {
				return fmt.Errorf("context %q of target %q: %w", context, name, err)
			}
			linked.Outputs, linked.Linked = Outputs{{keyType: "cacheonly"}}, true
			r.plan.Targets[other] = linked
		}
		if err := r.link(other, within); err != nil {
			return err
		}
		of := r.plan.Targets[other]
		t.Entitlements = uniqueStrings(append(slices.Clone(t.Entitlements), of.Entitlements...))
		if len(t.Platforms) > 1 && len(of.Platforms) > 1 {
			for _, platform := range t.Platforms {
				if !slices.Contains(of.Platforms, platform) {
					return fmt.Errorf("target %q is for %s, and its context %q, target %q, is not: it is for %s", name, platform, context, other, strings.Join(of.Platforms, ", "))
				}
			}
		}
	}
	r.linked[name] = true
	return nil
}

// The prefix of a path that is one of the machine on which bake runs, where the files
// are from elsewhere.
const hostPrefix = "cwd://"

// Locate makes the paths of contexts those of a build.
func (p *Plan) Locate() error {
	for _, name := range slices.Sorted(maps.Keys(p.Targets)) {
		t := p.Targets[name]
		if *t.Context == "-" || *t.Dockerfile == "-" {
			return fmt.Errorf("target %q: standard input is no context and no Dockerfile of a bake file", name)
		}
		context := locate(*t.Context)
		t.Context = &context
	}
	return nil
}

// locate is the path or URL of a context.
func locate(context string) string {
	if path, ok := strings.CutPrefix(context, hostPrefix); ok {
		return filepath.Clean(path)
	}
	if IsRemote(context) {
		return context
	}
	return filepath.Clean(context)
}

// IsRemote says whether a context is a URL of git or HTTP.
func IsRemote(context string) bool {
	return slices.ContainsFunc([]string{"https://", "http://", "git://", "ssh://", "git@"}, func(prefix string) bool { return strings.HasPrefix(context, prefix) })
}

// DockerfilePath is the Dockerfile of a target as the flag --file takes it: relative to
// the directory of the command where the context is a directory, else to the context.
func (t *Target) DockerfilePath() string {
	file := *t.Dockerfile
	if path, ok := strings.CutPrefix(file, hostPrefix); ok {
		return filepath.Clean(path)
	}
	if IsRemote(file) || IsRemote(*t.Context) || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(*t.Context, file)
}
