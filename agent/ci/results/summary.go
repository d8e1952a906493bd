package results

import (
	"fmt"
	"html"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// Of long lists and texts, a summary has the beginning.
const (
	maxSummaryTags     = 50
	maxSummaryWarnings = 50
	maxSummaryTests    = 20
	maxSummaryText     = 32 << 10
	maxSummaryValue    = 2 << 10
)

// summary is what a build came to, for the page of a job: Markdown whose tables and
// texts are HTML, as those of GitHub's own toolkit are, because in a block of HTML
// nothing of a value can be Markdown. What is in a value is escaped for HTML, and has no
// line end but in <pre>.
func summary(r Results) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### Image build %s\n\n", r.Status)
	head, row := []string{"Duration"}, []string{"<td>" + seconds(r.Duration) + "</td>"}
	if len(r.Tags) > 0 {
		head, row = append([]string{"Image"}, head...), append([]string{cell(r.Tags[0])}, row...)
	}
	if percent, ok := r.percentCached(); ok {
		head, row = append(head, "Cached"), append(row, fmt.Sprintf("<td>%d%%</td>", percent))
	}
	if r.Builder != "" {
		head, row = append(head, "Builder"), append(row, cell(r.Builder))
	}
	table(&b, head, [][]string{row})
	if r.Error != nil { // what somebody in a hurry looks for
		first, more, _ := strings.Cut(r.Error.Message, "\n")
		table(&b, []string{"Error"}, [][]string{{cell(first)}})
		if more != "" || r.Error.Excerpt != "" || len(r.Error.Hints) > 0 {
			folded(&b, "Details of the error", failureText(*r.Error))
		}
	}
	for _, t := range r.Tests {
		var rows [][]string
		for i, f := range t.Failures {
			if i == maxSummaryTests {
				break
			}
			rows = append(rows, []string{cell(f.Rule), cell(f.Message), cell(place(f))})
		}
		if more := t.Failed - len(rows); more > 0 {
			rows = append(rows, []string{fmt.Sprintf("<td>and %d more</td>", more), emptyCell, emptyCell})
		}
		of := fmt.Sprintf("%d of %d tests failed", t.Failed, t.Total)
		if t.Platform != "" {
			of += " on " + html.EscapeString(t.Platform)
		}
		if len(rows) == 0 {
			b.WriteString("<p>" + of + "</p>\n\n")
			continue
		}
		table(&b, []string{of, "Message", "At"}, rows)
	}
	if len(r.Platforms) > 0 {
		var rows [][]string
		for _, p := range r.Platforms {
			took, cached := "", ""
			if p.Duration > 0 {
				took = seconds(p.Duration)
			}
			if p.Steps > 0 {
				cached = fmt.Sprintf("%d of %d", p.Cached, p.Steps)
			}
			rows = append(rows, []string{cell(p.Platform), cell(p.Node), cell(p.Ref), "<td>" + took + "</td>", "<td>" + cached + "</td>"})
		}
		table(&b, []string{"Platform", "Node", "Build ID", "Duration", "Cached steps"}, rows)
	}
	if rows := digestRows(r); len(rows) > 0 {
		table(&b, []string{"Digest", "Of"}, rows)
	}
	if len(r.Tags) > 1 {
		var rows [][]string
		for i, tag := range r.Tags {
			if i == maxSummaryTags {
				rows = append(rows, []string{fmt.Sprintf("<td>and %d more</td>", len(r.Tags)-i)})
				break
			}
			rows = append(rows, []string{cell(tag)})
		}
		table(&b, []string{"Tags"}, rows)
	}
	if len(r.Warnings) > 0 {
		var rows [][]string
		for i, w := range r.Warnings {
			if i == maxSummaryWarnings {
				break
			}
			rows = append(rows, []string{cell(place(w)), cell(w.Rule), cell(w.Message)})
		}
		if more := len(r.Warnings) - len(rows) + r.WarningsLeftOut; more > 0 {
			rows = append(rows, []string{emptyCell, emptyCell, fmt.Sprintf("<td>and %d more</td>", more)})
		}
		table(&b, []string{"Warning at", "Rule", "Message"}, rows)
	}
	if len(r.Inputs) > 0 {
		folded(&b, "Build inputs", strings.Join(r.Inputs, "\n"))
	}
	return b.String()
}

// digestRows are the rows of the table of digests: that of the image, and those of its
// platforms where they differ. They have a table of their own, for they are so wide that
// whatever stands beside them is broken into lines.
func digestRows(r Results) (rows [][]string) {
	if r.Digest != "" {
		rows = append(rows, []string{cell(r.Digest), "<td>the image</td>"})
	}
	for _, p := range r.Platforms {
		if p.Digest != "" && p.Digest != r.Digest {
			rows = append(rows, []string{cell(p.Digest), cell(p.Platform)})
		}
	}
	return rows
}

// emptyCell is what cell makes of no value.
const emptyCell = "<td></td>"

// table writes a table whose cells are HTML, without columns that are empty in all rows.
// A block of HTML ends at an empty line.
func table(b *strings.Builder, head []string, rows [][]string) {
	filled := make([]bool, len(head))
	for i := range head {
		filled[i] = slices.ContainsFunc(rows, func(row []string) bool { return i < len(row) && row[i] != emptyCell })
	}
	b.WriteString("<table>\n<tr>")
	for i, name := range head {
		if filled[i] {
			b.WriteString("<th>" + name + "</th>")
		}
	}
	b.WriteString("</tr>\n")
	for _, row := range rows {
		b.WriteString("<tr>")
		for i, one := range row {
			if filled[i] {
				b.WriteString(one)
			}
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</table>\n\n")
}

// cell is a cell with a value. In <code> GitHub makes no link of it, and nobody is
// mentioned by it.
func cell(value string) string {
	if value == "" {
		return emptyCell
	}
	return "<td><code>" + html.EscapeString(sanitize.Line(shorten(value, maxSummaryValue))) + "</code></td>"
}

// folded writes a text of several lines that opens with a click. A block that begins
// with <pre> ends at </pre> only, so that empty lines may be in it.
func folded(b *strings.Builder, title, text string) {
	text = html.EscapeString(strings.TrimRight(shorten(text, maxSummaryText), "\n"))
	b.WriteString("<details>\n<summary>" + title + "</summary>\n\n<pre><code>" + text + "\n</code></pre>\n\n</details>\n\n")
}

// failureText is all that there is to say of a failure.
func failureText(f Failure) string {
	var b strings.Builder
	if f.Excerpt != "" {
		b.WriteString(strings.TrimRight(f.Excerpt, "\n") + "\n")
	}
	for line := range strings.SplitSeq(f.Message, "\n") {
		b.WriteString("error: " + line + "\n")
	}
	for _, hint := range f.Hints {
		b.WriteString("hint: " + hint + "\n")
	}
	return b.String()
}

// place is where a finding is: "docker/Dockerfile:7".
func place(f Finding) string {
	if f.File != "" && f.Line > 0 {
		return fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return f.File
}

// seconds is a duration for people.
func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(100 * time.Millisecond).String()
}

// fitSummary is a summary that is no longer than room: shortened where that helps; false
// where even that does not fit.
func fitSummary(r Results, room int) (string, bool) {
	text := summary(r)
	if len(text) <= room {
		return text, true
	}
	short := Results{Status: r.Status, Duration: r.Duration, Digest: r.Digest, Tags: r.Tags[:min(len(r.Tags), 1)]}
	if r.Error != nil {
		short.Error = &Failure{Message: shorten(r.Error.Message, maxSummaryValue)}
	}
	text = summary(short) + fmt.Sprintf("The rest is left out: a summary has at most %s.\n\n", units.BytesSize(maxGitHub))
	return text, len(text) <= room
}
