package main

import (
	"io"
	"os"
)

// color is how a word stands out for a person.
type color string

// The colours are those of the terminal's palette, so that they fit its theme.
const (
	colorBad  color = "\x1b[1;31m" // errors and failures
	colorWarn color = "\x1b[33m"
	colorGood color = "\x1b[32m"
	colorHint color = "\x1b[36m"
	colorDim  color = "\x1b[2m"

	colorReset = "\x1b[0m"
)

// painter colours words where the output is for a person. The zero painter
// leaves them as they are.
type painter struct{ on bool }

// painterFor returns the painter for what is written to out. Only terminals get
// colours, but for FORCE_COLOR, which CI systems set that show them. NO_COLOR
// wins. Both count when they are not empty (https://no-color.org,
// https://force-color.org); FORCE_COLOR=0 and false are none, as npm has it.
func painterFor(out io.Writer, lookup func(string) (string, bool)) painter {
	if off, _ := lookup("NO_COLOR"); off != "" {
		return painter{}
	}
	switch forced, _ := lookup("FORCE_COLOR"); forced {
	case "":
	case "0", "false":
		return painter{}
	default:
		return painter{on: true}
	}
	kind, _ := lookup("TERM")
	return painter{on: isTerminal(out) && kind != "dumb"}
}

// paint returns the text in a colour. The text must not be from outside, or be
// clean: what follows it is not coloured.
func (p painter) paint(c color, text string) string {
	if !p.on || text == "" || c == "" {
		return text
	}
	return string(c) + text + colorReset
}

// stderrPainter is painterFor before the environment is read: an error may be
// that it cannot be.
func stderrPainter(stderr io.Writer) painter { return painterFor(stderr, os.LookupEnv) }
