package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// markdown writes the report.
func (r report) markdown() string {
	var b strings.Builder
	b.WriteString("# Slipway beside its peers\n\n")
	if r.quick {
		b.WriteString("**A quick run: small sizes, few runs. It shows that everything works; its figures mean nothing.**\n\n")
	}
	if len(r.rows) > 0 {
		fmt.Fprintf(&b, "![times](%s)\n\n", chartFile)
		b.WriteString("## Time\n\nMedian (least–most) of the counted runs, tools in turn, measured in the agent pod. " +
			"\"÷\" is the peer's median by Slipway's: above 1, Slipway is faster.\n\n")
		b.WriteString(table(timeTable(r.rows)))
		b.WriteString("\n## Cost on the agent\n\nMedian CPU time (user and system) and largest resident size of one client process.\n\n")
		b.WriteString(table(costTable(r.rows)))
	}
	if lines := throughputTable(r.rows); len(lines) > 1 {
		b.WriteString("\n## Many at once\n\n")
		b.WriteString(table(lines))
	}
	for _, c := range r.curves {
		fmt.Fprintf(&b, "\n## %s\n\n", strings.ToUpper(c.name[:1])+c.name[1:])
		b.WriteString(table(curveTable(c)))
	}
	b.WriteString(r.failures())
	b.WriteString("\n## Machine\n\n")
	lines := [][]string{{"what", "value"}}
	for _, f := range r.facts {
		lines = append(lines, []string{f.name, f.value})
	}
	b.WriteString(table(lines))
	return b.String()
}

// timeTable has a line for each row and a column for each tool.
func timeTable(rows []measured) [][]string {
	head := []string{"work"}
	for _, t := range tools {
		head = append(head, t.name)
	}
	for _, t := range tools[1:] {
		head = append(head, "÷ "+t.name)
	}
	lines := [][]string{append(head, "goal")}
	for _, m := range rows {
		lines = append(lines, timeLine(m))
	}
	return lines
}

func timeLine(m measured) []string {
	figures := m.byTool()
	line := []string{m.name}
	for _, t := range tools {
		line = append(line, timeCell(figures, t))
	}
	for _, t := range tools[1:] {
		line = append(line, times(figures, t))
	}
	var goals []string
	for _, v := range judge(m.row, figures) {
		word := "**missed**"
		if v.reached {
			word = "reached"
		}
		goals = append(goals, v.text+": "+word)
	}
	return append(line, strings.Join(goals, "; "))
}

// timeCell is a tool's time in a row; empty where it does not take part.
func timeCell(figures map[string]stats, t tool) string {
	s, there := figures[t.name]
	switch {
	case !there:
		return ""
	case s.ok == 0:
		return "**failed**" + failedRuns(s)
	default:
		return fmt.Sprintf("%s (%s–%s)%s", milliseconds(s.median), milliseconds(s.least), milliseconds(s.most), failedRuns(s))
	}
}

// failedRuns tells of failures beside a figure.
func failedRuns(s stats) string {
	switch {
	case s.builds > s.runs && s.failed > 0:
		return fmt.Sprintf(", **%d of %d builds failed**", s.failed, s.builds)
	case s.ok < s.runs:
		return fmt.Sprintf(", **%d of %d runs failed**", s.runs-s.ok, s.runs)
	case s.faults > 0:
		return ", **see failures**"
	}
	return ""
}

// times is how many times Slipway is faster.
func times(figures map[string]stats, t tool) string {
	peer, there := figures[t.name]
	if !there {
		return ""
	}
	faster := ratio(figures[slipway.name], peer)
	if math.IsNaN(faster) {
		return "–"
	}
	return fmt.Sprintf("%.2fx", faster)
}

// costTable marks what is above buildx.
func costTable(rows []measured) [][]string {
	head := []string{"work"}
	for _, what := range []string{"CPU", "memory"} {
		for _, t := range tools {
			head = append(head, t.name+" "+what)
		}
	}
	lines := [][]string{append(head, "not above buildx")}
	for _, m := range rows {
		figures := m.byTool()
		line := []string{m.name}
		for _, t := range tools {
			line = append(line, cell(figures, t, func(s stats) string { return milliseconds(s.cpu) }))
		}
		for _, t := range tools {
			line = append(line, cell(figures, t, func(s stats) string { return fmt.Sprintf("%.0f MB", s.memory/1e6) }))
		}
		lines = append(lines, append(line, costVerdict(figures[slipway.name], figures[buildx.name])))
	}
	return lines
}

func costVerdict(own, peer stats) string {
	if own.cpu == 0 || peer.cpu == 0 {
		return "–"
	}
	var above []string
	if own.cpu > peer.cpu {
		above = append(above, fmt.Sprintf("CPU **missed** (%.2fx)", own.cpu/peer.cpu))
	}
	if own.memory > peer.memory {
		above = append(above, fmt.Sprintf("memory **missed** (%.2fx)", own.memory/peer.memory))
	}
	if len(above) == 0 {
		return "reached"
	}
	return strings.Join(above, "; ")
}

// cell is a figure of a tool that has one.
func cell(figures map[string]stats, t tool, figure func(stats) string) string {
	s, there := figures[t.name]
	switch {
	case !there:
		return ""
	case s.cpu == 0:
		return "–"
	}
	return figure(s)
}

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

// failures lists what went wrong. Of one row and tool it shows the first few,
// for fifty agents may all say the same.
func (r report) failures() string {
	const shown = 3
	var lines []string
	note := func(where string, results []result) {
		for _, result := range results {
			for i, f := range result.failures {
				if i == shown {
					lines = append(lines, fmt.Sprintf("- %s, %s: and %d more", where, result.tool.name, len(result.failures)-shown))
					break
				}
				lines = append(lines, fmt.Sprintf("- %s, %s: %s", where, result.tool.name, inline(f)))
			}
			if result.gaveUp() {
				lines = append(lines, fmt.Sprintf("- %s, %s: not tried again after %d failures in a row", where, result.tool.name, result.inARow))
			}
		}
	}
	for _, m := range r.rows {
		note(m.name, m.results)
	}
	for _, c := range r.curves {
		for i, m := range c.at {
			note(fmt.Sprintf("%s, %s", c.name, count(c.points[i].n)), m.results)
		}
	}
	if len(lines) == 0 {
		return "\nNo run failed.\n"
	}
	return "\n## Failures\n\n" + strings.Join(lines, "\n") + "\n"
}

// inline is foreign text as Markdown shows it unchanged, on one line.
func inline(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return "`" + strings.ReplaceAll(text, "`", "'") + "`"
}

// table writes lines as a Markdown table; the first is its head. Columns in
// which no line has anything are left out.
func table(lines [][]string) string {
	var b strings.Builder
	var columns []int
	for i := range lines[0] {
		if slices.ContainsFunc(lines[1:], func(line []string) bool { return line[i] != "" }) {
			columns = append(columns, i)
		}
	}
	write := func(line []string) {
		b.WriteString("|")
		for _, i := range columns {
			b.WriteString(" " + strings.ReplaceAll(line[i], "|", "\\|") + " |")
		}
		b.WriteString("\n")
	}
	write(lines[0])
	b.WriteString("|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, line := range lines[1:] {
		write(line)
	}
	return b.String()
}
