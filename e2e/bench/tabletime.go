package main

import (
	"fmt"
	"math"
	"strings"
)

// timeTable has a line for each row and a column for each tool.
func timeTable(rows []measured) [][]string {
	head, tools := []string{"work"}, columns(rows)
	for _, t := range tools {
		head = append(head, t.name)
	}
	for _, t := range tools[1:] {
		head = append(head, "÷ "+t.name)
	}
	lines := [][]string{append(head, "goal")}
	for _, m := range rows {
		lines = append(lines, timeLine(m, tools))
	}
	return lines
}

func timeLine(m measured, tools []tool) []string {
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
