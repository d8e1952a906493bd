// Package sanitizetest reads printed text as terminals and CI systems do.
package sanitizetest

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The grammars of what reads a log, each as its reader has it, and none of them
// made of this package's own code.

var (
	colours     = regexp.MustCompile(`\x1b\[[0-9;:]*m`)
	lineEnds    = regexp.MustCompile("\r\n|[\n\r\v\f\u0085\u2028\u2029]")
	hashCommand = regexp.MustCompile(`(?i)##[a-z]*\[`)
	section     = regexp.MustCompile(`section_(start|end):\d`)
	header      = regexp.MustCompile(`^(---|\+\+\+|~~~)\s(.+)?$`)
	expansion   = regexp.MustCompile(`^\^\^\^\s+\+\+\+\s*$`)
	// drawing is how BuildKit's display moves the cursor of a terminal.
	drawing = regexp.MustCompile(`(\x1b\[\d+[AB])*\x1b\[0G|\x1b\[\?25[lh]`)
)

// readers return what they would take for a command in one line, "" for none.
var readers = map[string]func(line string) string{
	// The runner compares by culture, which ignores what cannot be seen.
	"GitHub": func(line string) string {
		line = strings.TrimLeftFunc(strings.Map(func(r rune) rune {
			if unicode.In(r, unicode.Cf, unicode.Cc, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) && !unicode.IsSpace(r) {
				return -1
			}
			return r
		}, line), unicode.IsSpace)
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "::"), "::"); ok && strings.HasPrefix(line, "::") {
			return name
		}
		if strings.Contains(line, "##[") {
			return "##["
		}
		return ""
	},
	"Azure and TeamCity": hashCommand.FindString,
	// The rest of the marker is a carriage return and a sequence; a log may be
	// shown without them.
	"GitLab": section.FindString,
	"Buildkite": func(line string) string {
		return header.FindString(line) + expansion.FindString(line)
	},
}

// longestLine is what a line may have, with a prefix and a mark.
const longestLine = 64<<10 + 200

// Commands returns what any reader would take for a command, all that a
// terminal would obey but for colours, and lines that are too long: nothing for
// text that is safe to print.
func Commands(text string) []string {
	var found []string
	for _, line := range lineEnds.Split(text, -1) {
		for name, read := range readers {
			// Some look through colours and some do not.
			for _, seen := range []string{line, colours.ReplaceAllString(line, "")} {
				if command := read(seen); command != "" {
					found = append(found, fmt.Sprintf("%s: %q in %q", name, command, seen))
				}
			}
		}
		if strings.Contains(line, "\x1b[8mha:") {
			found = append(found, "Jenkins: an object in "+line)
		}
		if len(line) > longestLine {
			found = append(found, fmt.Sprintf("a line of %d bytes", len(line)))
		}
		if all := colours.FindAllString(line, -1); len(all) > 0 && all[len(all)-1] != "\x1b[0m" {
			found = append(found, fmt.Sprintf("a colour goes on behind %q", line))
		}
	}
	if !utf8.ValidString(text) {
		found = append(found, fmt.Sprintf("no UTF-8: %q", text))
	}
	for _, r := range colours.ReplaceAllString(text, "") {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			found = append(found, fmt.Sprintf("terminal: %q", r))
		}
	}
	return found
}

// Drawn is Commands for what BuildKit's display has drawn on a terminal, whose
// lines end in \r\n. It draws with colours of its own, and cuts names at the edge
// within characters.
func Drawn(text string) []string {
	text = strings.ReplaceAll(drawing.ReplaceAllString(text, ""), "\r\n", "\n")
	text = strings.ToValidUTF8(text, "\ufffd")
	var found []string
	if strings.Contains(text, "\x1b[8mha:") {
		found = append(found, "Jenkins: an object")
	}
	return append(found, Commands(colours.ReplaceAllString(text, ""))...)
}
