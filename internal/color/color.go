// Package color makes words stand out for people: verdicts, errors and hints on
// terminals, and in the logs of CI systems that show colours.
package color

// Color is how a word stands out for a person; empty for as it is.
type Color string

// The colours are those of the terminal's palette, so that they fit its theme.
const (
	Bad  Color = "\x1b[1;31m" // errors and failures
	Warn Color = "\x1b[33m"
	Good Color = "\x1b[32m"
	Hint Color = "\x1b[36m"
	Dim  Color = "\x1b[2m"

	reset = "\x1b[0m"
)

// Painter colours words where the output is for a person. The zero Painter
// leaves them as they are.
type Painter struct{ on bool }

// On tells whether there are colours.
func (p Painter) On() bool { return p.on }

// For returns the painter for an output, by the variables. Only terminals get
// colours, but for FORCE_COLOR, which CI systems set that show them. NO_COLOR
// wins. Both count when they are not empty (https://no-color.org,
// https://force-color.org); FORCE_COLOR=0 and false are none, as npm has it.
func For(terminal bool, lookup func(string) (string, bool)) Painter {
	if off, _ := lookup("NO_COLOR"); off != "" {
		return Painter{}
	}
	switch forced, _ := lookup("FORCE_COLOR"); forced {
	case "":
	case "0", "false":
		return Painter{}
	default:
		return Painter{on: true}
	}
	kind, _ := lookup("TERM")
	return Painter{on: terminal && kind != "dumb"}
}

// Paint returns the text in a colour. The text must not be from outside, or be
// clean: what follows it is not coloured.
func (p Painter) Paint(c Color, text string) string {
	if !p.on || text == "" || c == "" {
		return text
	}
	return string(c) + text + reset
}
