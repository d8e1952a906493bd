// Package checktable prints what the doctor has found.
package checktable

import (
	"io"
	"strings"

	"github.com/slipway-build/slipway/agent/doctor"
	"github.com/slipway-build/slipway/internal/color"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// verdictWords are what a person reads; a failure must stand out.
var verdictWords = map[doctor.Verdict]struct {
	word  string
	color color.Color
}{
	doctor.VerdictOK:      {"ok", color.Good},
	doctor.VerdictWarning: {"warning", color.Warn},
	doctor.VerdictFailed:  {"FAILED", color.Bad},
	doctor.VerdictSkipped: {"skipped", color.Dim},
}

// Table prints a line for every check as it comes, and below it its hints.
// It is a doctor.Reporter.
type Table struct {
	// Out is what is printed to, in the colors of Paint.
	Out   io.Writer
	Paint color.Painter
	// Err is the first error of writing.
	Err error

	width int // of the titles
}

// Plan implements doctor.Reporter.
func (t *Table) Plan(checks []doctor.Check) {
	for _, c := range checks {
		t.width = max(t.width, len(checkTitle(c)))
	}
}

// Report implements doctor.Reporter.
func (t *Table) Report(c doctor.Check) {
	verdict := verdictWords[c.Verdict]
	t.Line(sanitize.Sprintf("%-*s  ", t.width, checkTitle(c)) +
		t.Paint.Paint(verdict.color, verdict.word) + strings.Repeat(" ", max(7-len(verdict.word), 0)) + "  " +
		sanitize.Indent(c.Detail, "    "))
	for _, hint := range fault.SnippetsLast(c.Hints) {
		t.Line("    " + t.Paint.Paint(color.Hint, "hint:") + " " + sanitize.Indent(hint, "")) // its other lines are to paste
	}
}

// Line prints a line; the first error of it is kept.
func (t *Table) Line(text string) {
	if t.Err == nil {
		_, t.Err = io.WriteString(t.Out, text+"\n")
	}
}

func checkTitle(c doctor.Check) string {
	if c.About == "" {
		return c.Probe
	}
	return c.Probe + " [" + c.About + "]"
}
