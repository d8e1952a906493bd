package main

import (
	"fmt"
)

// throughputTable is of rows in which several agents build at once.
func throughputTable(rows []measured) [][]string {
	lines := [][]string{{"work", "tool", "builds a minute", "median build", "slowest ÷ median of its run", "failed builds"}}
	for _, m := range rows {
		if m.atOnce == 0 {
			continue
		}
		for _, r := range m.results {
			lines = append(lines, append([]string{m.name, r.tool.name}, throughput(of(r))...))
		}
	}
	return lines
}

func throughput(s stats) []string {
	if s.builds == s.failed {
		return []string{"–", "–", "–", fmt.Sprintf("%d of %d", s.failed, s.builds)}
	}
	return []string{fmt.Sprintf("%.0f", s.perMinute), milliseconds(s.build), fmt.Sprintf("%.1fx", s.slowest), fmt.Sprintf("%d of %d", s.failed, s.builds)}
}

// curveTable has a line for each point; that of agents also tells of builds.
func curveTable(c measuredCurve) [][]string {
	took := c.points[0].tools
	head := []string{c.quantity}
	for _, t := range took {
		head = append(head, t.name)
	}
	for _, t := range took[1:] {
		head = append(head, "÷ "+t.name)
	}
	atOnce := c.points[0].atOnce > 0
	if atOnce {
		for _, t := range took {
			head = append(head, t.name+": builds a minute", "median build", "slowest ÷ median", "failed")
		}
	}
	lines := [][]string{head}
	for i, m := range c.at {
		figures := m.byTool()
		line := []string{count(c.points[i].n)}
		for _, t := range took {
			line = append(line, timeCell(figures, t))
		}
		for _, t := range took[1:] {
			line = append(line, times(figures, t))
		}
		if atOnce {
			for _, t := range took {
				line = append(line, throughput(figures[t.name])...)
			}
		}
		lines = append(lines, line)
	}
	return lines
}
