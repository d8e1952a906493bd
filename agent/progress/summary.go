package progress

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"

	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// summary collects from the events of a build what is printed below it.
type summary struct {
	builder   string
	began     time.Time
	nodes     []nodeSummary
	defaults  map[string]string // the default platform of nodes, by name
	published *event.Published
	ended     time.Time
	// parts says that several builds are shown; made is what was published of them.
	parts bool
	made  []part
	// failed are the parts that have failed.
	failed map[string]bool
}

// part is one of several builds.
type part struct {
	name      string
	published *event.Published
}

// nodeSummary is what one node has done.
type nodeSummary struct {
	event.Assignment
	took time.Duration
	// steps are the instructions that have ended, and whether they were cached.
	steps map[string]bool
}

// note takes an event into account.
func (s *summary) note(e event.Event) {
	if s.began.IsZero() {
		s.began = e.Time
	}
	switch {
	case e.Assigned != nil:
		s.builder = e.Assigned.Builder
		for _, node := range e.Assigned.Nodes {
			s.nodes = append(s.nodes, nodeSummary{Assignment: node})
		}
	case e.Connected != nil && len(e.Connected.BuildsFor) > 0:
		if s.defaults == nil {
			s.defaults = map[string]string{}
		}
		s.defaults[e.Node] = e.Connected.BuildsFor[0]
	case e.Published != nil:
		s.published, s.ended = e.Published, e.Time
		s.made = append(s.made, part{e.Node, e.Published})
	case e.Failed != nil && s.parts:
		if s.failed == nil {
			s.failed = map[string]bool{}
		}
		s.failed[e.Node] = true
	}
	at := slices.IndexFunc(s.nodes, func(n nodeSummary) bool { return n.Node == e.Node })
	if at < 0 {
		return
	}
	node := &s.nodes[at]
	switch {
	case e.SolveBegun != nil:
		node.steps = map[string]bool{}
	case e.Progress != nil && node.steps != nil:
		for _, v := range e.Progress.Vertexes {
			if v.Completed != nil && event.IsInstruction(v.Name) {
				node.steps[v.Digest] = v.Cached
			}
		}
	case e.Solved != nil:
		node.took = e.Solved.Completed.Sub(e.Solved.Started)
	}
}

// The widths of columns, so that a row fits into 80 columns: platforms beyond theirs
// are in further lines, and a longer text is shortened.
const (
	maxPlatforms = 24
	maxNode      = 24
)

// maxImageNames bounds the lines with names of images.
const maxImageNames = 8

// text is what is printed: a row for each node, then what was made of it; empty for
// a build that has not succeeded.
func (s *summary) text() string {
	if s.published == nil {
		return ""
	}
	var b strings.Builder
	what := ""
	if len(s.failed) > 0 {
		what = fmt.Sprintf(" %d of %d targets", len(s.made), len(s.made)+len(s.failed))
	}
	sanitize.Fprintf(&b, "\nbuilt%s in %s with builder %q\n", what, seconds(s.ended.Sub(s.began)), s.builder)
	var rows strings.Builder
	table := tabwriter.NewWriter(&rows, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  PLATFORM\tNODE\tTIME\tCACHED STEPS")
	for _, n := range s.nodes {
		names := n.Platforms
		if len(names) == 0 && s.defaults[n.Node] != "" {
			names = []string{s.defaults[n.Node]}
		}
		lines := wrap(names, maxPlatforms)
		sanitize.Fprintf(table, "  %s\t%s\t%s\t%s\n", lines[0], shorten(n.Node, maxNode), seconds(n.took), n.cached())
		for _, line := range lines[1:] {
			sanitize.Fprintf(table, "  %s\t\t\t\n", line)
		}
	}
	_ = table.Flush() // a strings.Builder does not fail
	for line := range strings.Lines(rows.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n") // without the empty columns
	}
	if !s.parts {
		s.made = []part{{published: s.published}}
	}
	for _, p := range s.made {
		lines := outcome(p.published)
		if s.parts && len(lines) > 0 {
			sanitize.Fprintf(&b, "  %s\n", p.name)
		}
		for _, line := range lines {
			// A digest fits into 80 columns beside the word.
			sanitize.Fprintf(&b, "  %-6s %s\n", line[0], line[1])
		}
	}
	return b.String()
}

// cached says how many of the node's steps were.
func (n nodeSummary) cached() string {
	if len(n.steps) == 0 {
		return "-"
	}
	cached := 0
	for _, was := range n.steps {
		if was {
			cached++
		}
	}
	return fmt.Sprintf("%d of %d", cached, len(n.steps))
}

// outcome says what has become of the outputs: a word for it and what it is.
func outcome(p *event.Published) (lines [][2]string) {
	add := func(word, what string) { lines = append(lines, [2]string{word, what}) }
	images := func(word string, names []string, more string) {
		if len(names) == 0 { // the frontend or the builder has given them
			names = p.Names
		}
		for i, name := range names {
			if i == maxImageNames {
				add("", fmt.Sprintf("and %d more", len(names)-i))
				return
			}
			add(word, name+more)
		}
	}
	for _, o := range p.Outputs {
		dest := o.Dest
		if dest == "-" {
			dest = "standard output"
		}
		switch {
		case o.Pushed:
			images("pushed", o.Names, "")
		case o.Loaded:
			images("loaded", o.Names, "")
		case dest == "" && o.Type != "image":
			add("file", "standard output"+size(o))
		case dest == "":
			images("image", o.Names, " (on the builder)")
		case o.Files > 0 || o.Bytes == 0:
			add("files", dest+size(o))
		default:
			add("file", dest+size(o))
		}
	}
	if p.Image != nil {
		add("digest", p.Image.Digest.String())
	}
	return lines
}

// size is how large an output is, behind its name.
func size(o event.Output) string {
	switch {
	case o.Files == 1:
		return fmt.Sprintf(" (1 file, %s)", units.HumanSize(float64(o.Bytes)))
	case o.Files > 0:
		return fmt.Sprintf(" (%d files, %s)", o.Files, units.HumanSize(float64(o.Bytes)))
	case o.Bytes > 0:
		return fmt.Sprintf(" (%s)", units.HumanSize(float64(o.Bytes)))
	}
	return ""
}

// seconds is a duration as the display has it.
func seconds(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

// wrap joins names with commas in lines of at most n characters, at least one line.
func wrap(names []string, n int) []string {
	lines := []string{""}
	for i, name := range names {
		name = shorten(name, n-1)
		if i < len(names)-1 {
			name += ","
		}
		last := &lines[len(lines)-1]
		if *last != "" && len(*last)+len(name) > n {
			lines = append(lines, "")
			last = &lines[len(lines)-1]
		}
		*last += name
	}
	return lines
}

// shorten takes out the middle of a text that is longer than n: names often differ
// at their ends.
func shorten(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	head := (n - 3) / 2
	return string(runes[:head]) + "..." + string(runes[len(runes)-(n-3-head):])
}
