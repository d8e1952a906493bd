package main

import (
	"fmt"
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
