package main

import (
	"fmt"
	"strings"
)

// costTable marks what is above buildx.
func costTable(rows []measured) [][]string {
	head, tools := []string{"work"}, columns(rows)
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
