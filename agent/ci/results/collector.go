package results

import (
	"cmp"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/slipway-build/slipway/agent/event"
)

// Collector makes Results of the events of one build, also of one that fails. The zero
// Collector is ready to be subscribed; it is read once its subscription has ended.
type Collector struct {
	// Workspace is the directory that files of findings are named relative to, and
	// Dockerfile is the path of the file that is built from; both are absolute, and
	// empty when they are not known.
	Workspace, Dockerfile string

	results Results
	ended   time.Time
	nodes   []node
}

// node is what one node has done.
type node struct {
	Platform
	platforms []string
	// steps are the instructions that have ended, and whether they were cached.
	steps    map[string]bool
	warnings []Finding
}

// Consume implements event.Consumer.
func (c *Collector) Consume(e event.Event) error {
	if c.results.Started.IsZero() {
		c.results.Started = e.Time
	}
	c.ended = e.Time
	switch {
	case e.Assigned != nil:
		c.results.Builder = e.Assigned.Builder
		c.nodes = nil
		for _, assigned := range e.Assigned.Nodes {
			c.nodes = append(c.nodes, node{Platform: Platform{Node: assigned.Node}, platforms: assigned.Platforms})
		}
	case e.Published != nil:
		c.published(*e.Published)
	}
	at := slices.IndexFunc(c.nodes, func(n node) bool { return n.Node == e.Node })
	if at < 0 {
		return nil
	}
	n := &c.nodes[at]
	switch {
	case e.SolveBegun != nil: // anew, when the builder was lost
		*n = node{Platform: Platform{Node: n.Node, Pod: e.Pod}, platforms: n.platforms, steps: map[string]bool{}}
		if len(n.platforms) == 0 && e.SolveBegun.Platform != "" {
			n.platforms = []string{e.SolveBegun.Platform}
		}
	case e.Progress != nil && n.steps != nil:
		for _, v := range e.Progress.Vertexes {
			if v.Completed != nil && event.IsInstruction(v.Name) {
				n.steps[v.Digest] = v.Cached
			}
		}
		for _, w := range e.Progress.Warnings {
			n.warnings = append(n.warnings, c.finding(w))
		}
	case e.Solved != nil:
		n.Duration = e.Solved.Completed.Sub(e.Solved.Started).Seconds()
		if e.Solved.Image != nil && len(c.nodes) == 1 {
			n.Digest = e.Solved.Image.Digest.String()
		}
	}
	return nil
}

// published takes the outcome of a build that has succeeded.
func (c *Collector) published(p event.Published) {
	r := &c.results
	if p.Image != nil {
		r.Digest = p.Image.Digest.String()
	}
	r.ImageID = cmp.Or(p.ConfigDigest, r.Digest)
	r.Tags = slices.Clone(p.Names)
	for _, o := range p.Outputs {
		names := o.Names
		if len(names) == 0 {
			names = p.Names
		}
		for _, name := range names {
			if o.Type == "image" && !slices.Contains(r.Tags, name) {
				r.Tags = append(r.Tags, name)
			}
		}
		if o.Pushed {
			r.Push(names...)
		}
	}
	for i := range c.nodes {
		n := &c.nodes[i]
		if len(n.platforms) == 1 {
			if image, ok := p.Images[n.platforms[0]]; ok {
				n.Digest = image.Digest.String()
			}
		}
	}
}

// rule matches the name of the linter's rule, which begins its message.
var rule = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9]*): `)

// finding is a warning of the linter.
func (c *Collector) finding(w *event.Warning) Finding {
	f := Finding{Message: string(w.Short), URL: w.URL}
	if m := rule.FindStringSubmatch(f.Message); m != nil {
		f.Rule, f.Message = m[1], f.Message[len(m[0]):]
	}
	if w.Source != nil {
		f.File = w.Source.Filename
	}
	if len(w.Ranges) > 0 && w.Ranges[0] != nil && w.Ranges[0].Start != nil {
		f.Line = int(w.Ranges[0].Start.Line)
		f.EndLine = f.Line
		if end := w.Ranges[0].End; end != nil && end.Line > w.Ranges[0].Start.Line {
			f.EndLine = int(end.Line)
		}
	}
	if w.Source != nil {
		f.text = lineOf(w.Source.Data, f.Line)
	}
	return c.Locate(f)
}

// Locate names the file of a finding relative to the workspace. BuildKit knows a
// Dockerfile of the agent by its last element only.
func (c *Collector) Locate(f Finding) Finding {
	if f.File == "" || c.Dockerfile == "" || path.Base(filepath.ToSlash(f.File)) != filepath.Base(c.Dockerfile) {
		return f
	}
	f.File = c.Dockerfile
	if c.Workspace != "" {
		if rel, err := filepath.Rel(c.Workspace, c.Dockerfile); err == nil && filepath.IsLocal(rel) {
			f.File = rel
		}
	}
	f.File = filepath.ToSlash(f.File)
	return f
}

// lineOf is a line of a text, by its number from 1.
func lineOf(text []byte, number int) string {
	for line := range strings.Lines(string(text)) {
		if number--; number == 0 {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// Results returns what the events so far come to. Status, exit code, error and metadata
// are the caller's to fill in.
func (c *Collector) Results() Results {
	r := c.results
	r.Duration = c.ended.Sub(r.Started).Seconds()
	seen := map[Finding]bool{} // several nodes find the same
	for _, n := range c.nodes {
		for _, cached := range n.steps {
			n.Steps++
			if cached {
				n.Cached++
			}
		}
		n.Platform.Platform = strings.Join(n.platforms, ",")
		r.Platforms = append(r.Platforms, n.Platform)
		for _, w := range n.warnings {
			if !seen[w] {
				seen[w] = true
				r.Warnings = append(r.Warnings, w)
			}
		}
	}
	return r
}
