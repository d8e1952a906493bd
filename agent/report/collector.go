package report

import (
	"slices"

	"github.com/slipway-build/slipway/agent/event"
)

// Collector makes a Report of the events of one build. The zero Collector is ready
// to be subscribed; it is read once its subscription has ended.
type Collector struct{ report Report }

// Consume implements event.Consumer.
func (c *Collector) Consume(e event.Event) error {
	switch {
	case e.Assigned != nil:
		c.report = Report{Builder: e.Assigned.Builder}
		for _, node := range e.Assigned.Nodes {
			c.report.Parts = append(c.report.Parts, Part{Node: node.Node, Platforms: node.Platforms})
		}
	case e.Published != nil:
		c.report.Outcome = *e.Published
	}
	at := slices.IndexFunc(c.report.Parts, func(p Part) bool { return p.Node == e.Node })
	if at < 0 {
		return nil
	}
	part := &c.report.Parts[at]
	switch {
	case e.SolveBegun != nil:
		*part = Part{Node: part.Node, Platforms: part.Platforms, Platform: e.SolveBegun.Platform, Pod: e.Pod}
	case e.Progress != nil:
		for _, w := range e.Progress.Warnings {
			part.Warnings = append(part.Warnings, *w)
		}
	case e.Solved != nil:
		part.Result = *e.Solved
	case e.Recorded != nil:
		part.Provenance = e.Recorded.Provenance
	}
	return nil
}

// Report returns what the events so far come to.
func (c *Collector) Report() *Report { return &c.report }
