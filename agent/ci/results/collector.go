package results

import (
	"cmp"
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
	// Checkout is what files of findings are named relative to.
	Checkout Checkout

	// dockerfile is that of the events.
	dockerfile Location
	results    Results
	ended      time.Time
	nodes      []node
}

// maxWarnings bounds the warnings that are kept, of a node and of a build; those after
// them are only counted. A builder's reports are bounded, too, but those of all nodes and
// of a builder that is lost add up.
const maxWarnings = 1000

// node is what one node has done.
type node struct {
	Platform
	platforms []string
	// steps are the instructions that have ended, and whether they were cached.
	steps    map[string]bool
	warnings []Finding
	known    map[Finding]bool // the same
	more     int              // warnings after those
}

// warn keeps a warning.
func (n *node) warn(c *Collector, w *event.Warning) {
	found := c.finding(w)
	switch {
	case n.known[found]:
		return
	case len(n.warnings) == maxWarnings:
		n.more++
		return
	}
	if n.known == nil {
		n.known = map[Finding]bool{}
	}
	n.known[found] = true
	n.warnings = append(n.warnings, found)
}

// Consume implements event.Consumer.
func (c *Collector) Consume(e event.Event) error {
	if c.results.Started.IsZero() {
		c.results.Started = e.Time
	}
	c.ended = e.Time
	switch {
	case e.Assigned != nil:
		c.results.Builder, c.dockerfile = e.Assigned.Builder, Location{Path: e.Assigned.Dockerfile, Git: e.Assigned.Git}
		c.nodes = nil
		for _, assigned := range e.Assigned.Nodes {
			c.nodes = append(c.nodes, node{Platform: Platform{Node: assigned.Node}, platforms: assigned.Platforms})
		}
	case e.Published != nil:
		c.published(*e.Published)
	case e.Tests != nil:
		c.tests(*e.Tests)
	case e.Failed != nil:
		c.failed(*e.Failed)
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
	case e.Submitted != nil:
		n.Ref = e.Submitted.Ref
	case e.Progress != nil && n.steps != nil:
		for _, v := range e.Progress.Vertexes {
			if v.Completed != nil && event.IsInstruction(v.Name) {
				n.steps[v.Digest] = v.Cached
			}
		}
		for _, w := range e.Progress.Warnings {
			n.warn(c, w)
		}
	case e.Solved != nil:
		n.Duration = e.Solved.Completed.Sub(e.Solved.Started).Seconds()
		switch {
		case len(c.nodes) > 1: // an index of the node's own, which is a part of the image
		case e.Solved.Image != nil:
			n.Digest = e.Solved.Image.Digest.String()
		default: // an exporter that has no descriptor
			n.Digest = e.Solved.Response["containerimage.digest"]
		}
	}
	return nil
}

// published takes the outcome of a build that has succeeded.
func (c *Collector) published(p event.Published) {
	r := &c.results
	switch {
	case p.Image != nil:
		r.Digest = p.Image.Digest.String()
	case len(c.nodes) == 1:
		r.Digest = c.nodes[0].Digest
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
			r.push(names...)
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
	if len(w.Ranges) > 0 && w.Ranges[0] != nil && w.Ranges[0].Start != nil {
		f.Line = int(w.Ranges[0].Start.Line)
		f.EndLine = f.Line
		if end := w.Ranges[0].End; end != nil && end.Line > w.Ranges[0].Start.Line {
			f.EndLine = int(end.Line)
		}
	}
	if w.Source != nil {
		f.text = lineOf(w.Source.Data, f.Line)
		c.locate(&f, c.dockerfile.Named(w.Source.Filename), w.Source.Filename)
	}
	return f
}

// maxTests bounds the reports that are kept: nodes have a few platforms each.
const maxTests = 100

// tests takes what the test reports of a step say.
func (c *Collector) tests(t event.Tests) {
	if len(c.results.Tests) == maxTests {
		return
	}
	out := Tests{Platform: t.Platform, Total: t.Total, Failed: t.Failed, Skipped: t.Skipped}
	for _, failure := range t.Failures {
		f := Finding{Rule: failure.Name, Message: cmp.Or(failure.Message, "the test has failed")}
		if failure.File != "" {
			f.Line, f.EndLine = failure.Line, failure.Line
			c.locate(&f, Location{Path: failure.File}, failure.File)
		}
		out.Failures = append(out.Failures, f)
	}
	c.results.Tests = append(c.results.Tests, out)
}

// failed takes why a build has failed, and where.
func (c *Collector) failed(f event.Failed) {
	c.results.Error = &Failure{Message: f.Error}
	if f.Place == nil {
		return
	}
	// The instruction itself, without the platform and the count of the steps.
	_, text, _ := strings.Cut(f.Step, "] ")
	place := Finding{Message: f.Error, Line: f.Place.Start, EndLine: max(f.Place.End, f.Place.Start), text: text}
	c.locate(&place, Location{Path: f.Place.File, Git: f.Place.Git}, f.Place.Name)
	c.results.Error.Place = &place
}

// locate names the file of a finding as the job's repository does. The message names
// those that are neither in it nor on the agent.
func (c *Collector) locate(f *Finding, file Location, name string) {
	switch in := c.Checkout.File(file); {
	case in != "":
		f.File = in
	case file.Path != "":
		f.File = filepath.ToSlash(file.Path)
	default:
		if elsewhere := file.Elsewhere(name, f.Line); elsewhere != "" {
			f.Message = elsewhere + ": " + f.Message
		}
	}
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

// Results returns what the events so far come to. Status, exit code, hints and metadata
// are the caller's to fill in.
func (c *Collector) Results() Results {
	r := c.results
	r.Duration = c.ended.Sub(r.Started).Seconds()
	seen := map[Finding]bool{} // several nodes find the same
	most := 0                  // and leave out the same
	for _, n := range c.nodes {
		for _, cached := range n.steps {
			n.Steps++
			if cached {
				n.Cached++
			}
		}
		n.Platform.Platform = strings.Join(n.platforms, ",")
		r.Platforms = append(r.Platforms, n.Platform)
		most = max(most, n.more)
		for _, w := range n.warnings {
			switch {
			case seen[w]:
				continue
			case len(r.Warnings) < maxWarnings:
				r.Warnings = append(r.Warnings, w)
			default:
				r.WarningsLeftOut++
			}
			seen[w] = true
		}
	}
	r.WarningsLeftOut += most
	return r
}
