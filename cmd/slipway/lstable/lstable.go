// Package lstable prints the table of slipway ls.
package lstable

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/containerd/platforms"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/internal/color"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// Style is how the table is printed.
type Style struct {
	// Whole prints everything in full.
	Whole bool
	// Width is that of the terminal in columns; 0 is no bound, for files and for
	// programs that look for an endpoint.
	Width int
	Paint color.Painter
}

// The columns of the table, in their order.
const (
	columnName = iota
	columnEndpoint
	columnStatus
	columnPods
	columnBuildKit
	columnPlatforms
	columns
)

// leastWidths are those below which columns are not cut, in the order in which
// they are cut: the rest of an endpoint is the node's name mostly.
var leastWidths = []struct{ column, least int }{{columnEndpoint, 15}, {columnPlatforms, 11}, {columnName, 15}, {columnEndpoint, 8}}

// What follows a name or a status. The star is docker buildx's.
const (
	markSelected = "*" // the builder is taken where none is named
	markDrifted  = "!" // the workload is not as its definition says
)

// columnGap is between columns.
const columnGap = 2

// Print prints a row for every builder and below it its nodes, as
// docker buildx ls does, and below the table what there is to say of them.
func Print(w io.Writer, list []builders.Status, style Style) error {
	rows := [][columns]string{{"NAME/NODE", "DRIVER/ENDPOINT", "STATUS", "PODS", "BUILDKIT", "PLATFORMS"}}
	for _, b := range list {
		name := sanitize.Line(b.Name)
		if b.Selected {
			name += markSelected
		}
		rows = append(rows, [columns]string{columnName: name, columnEndpoint: sanitize.Line(b.Driver)})
		for _, n := range b.Nodes {
			shown := n.Platforms
			if !style.Whole {
				shown = shortPlatforms(shown)
			}
			status := string(n.Status)
			if n.Drifted {
				status += markDrifted
			}
			rows = append(rows, [columns]string{
				` \_ ` + sanitize.Line(n.Name), sanitize.Line(n.Endpoint), sanitize.Line(status), fmt.Sprintf("%d/%d", n.Ready, n.Desired),
				sanitize.Line(n.BuildKit), sanitize.Line(strings.Join(shown, ", ")),
			})
		}
	}
	var b strings.Builder
	writeBuilders(&b, rows, style)
	for _, line := range notesOn(list, style.Paint) {
		b.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeBuilders aligns the columns, and cuts cells where the table is too wide.
func writeBuilders(b *strings.Builder, rows [][columns]string, style Style) {
	var widths [columns]int
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, cut := range leastWidths {
		total := (columns - 1) * columnGap
		for _, width := range widths {
			total += width
		}
		if excess := total - style.Width; style.Width > 0 && excess > 0 {
			widths[cut.column] = min(widths[cut.column], max(cut.least, widths[cut.column]-excess))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			cell = cutTo(cell, widths[i])
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+columnGap)
			if i == columnStatus {
				cell = style.Paint.Paint(statusColor(cell), cell)
			}
			line.WriteString(cell + pad)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// cutTo cuts a cell to a width and says so by an ellipsis.
func cutTo(cell string, width int) string {
	if utf8.RuneCountInString(cell) <= width {
		return cell
	}
	return string([]rune(cell)[:width-1]) + "…"
}

// statusColor is the colour of a status; empty where it needs none.
func statusColor(status string) color.Color {
	switch builders.NodeState(strings.TrimSuffix(status, markDrifted)) {
	case builders.StatusRunning:
		return color.Good
	case builders.StatusStarting:
		return color.Warn
	case builders.StatusFailing, builders.StatusForbidden, builders.StatusUnreachable:
		return color.Bad
	}
	return ""
}

// notesOn are the reasons, each once with the nodes that share it, then each hint
// once: nodes mostly have the same cluster and the same rights.
func notesOn(list []builders.Status, paint color.Painter) []string {
	var reasons, hints, drifted []string
	nodes := map[string][]string{}
	for _, b := range list {
		for _, n := range b.Nodes {
			for _, reason := range []string{n.Error, n.Reason} {
				if reason == "" {
					continue
				}
				if nodes[reason] == nil {
					reasons = append(reasons, reason)
				}
				nodes[reason] = append(nodes[reason], sanitize.Line(b.Name+"/"+n.Name))
			}
			if n.Drifted {
				drifted = append(drifted, sanitize.Sprintf(markDrifted+" %s/%s is not as its definition says: slipway inspect %s shows in what", b.Name, n.Name, b.Name))
			}
			for _, hint := range n.Hints {
				if !slices.Contains(hints, hint) {
					hints = append(hints, hint)
				}
			}
		}
	}
	lines := drifted
	for _, reason := range reasons {
		lines = append(lines, strings.Join(nodes[reason], ", ")+": "+sanitize.Line(reason))
	}
	for _, hint := range fault.SnippetsLast(hints) {
		lines = append(lines, paint.Paint(color.Hint, "hint:")+" "+sanitize.Indent(hint, "  "))
	}
	return lines
}

// majorPlatforms are shown first, as docker buildx ls does.
var majorPlatforms = []string{"linux/amd64", "linux/arm64", "linux/arm", "linux/ppc64le", "linux/s390x", "linux/riscv64", "linux/mips64"}

// mostPlatforms is how many architectures docker buildx ls shows.
const mostPlatforms = 4

// shortPlatforms shortens a list of platforms as docker buildx ls does: the
// variants of an architecture are one, "linux/amd64 (+4)" where there are four of
// them, and after four architectures the rest is counted.
func shortPlatforms(all []string) []string {
	var order []string
	groups := map[string][]string{}
	for _, name := range all {
		group := name
		if p, err := platforms.Parse(name); err == nil {
			group = p.OS + "/" + p.Architecture
		}
		if groups[group] == nil {
			order = append(order, group)
		}
		groups[group] = append(groups[group], name)
	}
	rank := func(group string) int {
		if at := slices.Index(majorPlatforms, group); at >= 0 {
			return at
		}
		return len(majorPlatforms)
	}
	slices.SortStableFunc(order, func(a, b string) int { return rank(a) - rank(b) })
	var out []string
	left := len(all)
	for _, group := range order[:min(len(order), mostPlatforms)] {
		n := len(groups[group])
		left -= n
		if n == 1 {
			out = append(out, groups[group][0])
			continue
		}
		out = append(out, fmt.Sprintf("%s (+%d)", group, n))
	}
	if left > 0 {
		out = append(out, fmt.Sprintf("(%d more)", left))
	}
	return out
}
