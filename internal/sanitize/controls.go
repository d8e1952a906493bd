package sanitize

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// Controls is a Filter that leaves nothing in a text by which it could control
// a terminal, or look other than it is:
//
//   - Control characters, C0 and C1, and escape sequences are dropped, but for
//     newlines, tabs and colours (SGR). The colour that hides text is dropped.
//   - A carriage return that would overwrite a line ends it instead.
//   - Characters that cannot be seen are dropped; among them are those that
//     change the direction of writing. All kinds of space are a space.
//   - What is not UTF-8 is replaced by U+FFFD.
//
// The zero Controls is ready to use.
type Controls struct {
	state controlState
	// sequence is a control sequence (CSI) up to now, without its introducer.
	sequence []byte
	// partial is the beginning of a character.
	partial []byte
	// within says that the line has text.
	within bool
	// returned says that a carriage return has ended the line.
	returned bool
}

type controlState uint8

const (
	inText       controlState = iota
	afterEscape               // ESC
	inEscape                  // ESC and intermediate bytes
	inSequence                // CSI
	inLost                    // CSI that is too long to be kept
	inString                  // OSC, DCS, SOS, PM, APC
	escapeString              // ESC in one of these
)

const (
	bel    = 0x07
	cancel = 0x18
	subst  = 0x1a
	escape = 0x1b
	del    = 0x7f
)

// longestSequence is the length of a control sequence that may be a colour.
const longestSequence = 64

// Append implements Filter.
func (c *Controls) Append(dst, p []byte) []byte {
	if len(c.partial) > 0 {
		p = append(c.partial, p...)
		c.partial = nil
	}
	for i := 0; i < len(p); {
		b := p[i]
		if c.state != inText {
			if c.step(&dst, b) {
				i++
			}
			continue
		}
		switch {
		case b >= ' ' && b < del:
			end := i + 1
			for end < len(p) && p[end] >= ' ' && p[end] < del {
				end++
			}
			dst = append(dst, p[i:end]...)
			c.within, c.returned = true, false
			i = end
		case b < utf8.RuneSelf:
			dst = c.control(dst, b)
			i++
		case !utf8.FullRune(p[i:]):
			c.partial = bytes.Clone(p[i:])
			return dst
		default:
			r, size := utf8.DecodeRune(p[i:])
			if r = visible(r); r >= 0 {
				dst = utf8.AppendRune(dst, r)
				c.within, c.returned = true, false
			}
			i += size
		}
	}
	return dst
}

// End implements Filter.
func (c *Controls) End(dst []byte) []byte {
	if len(c.partial) > 0 {
		dst = utf8.AppendRune(dst, utf8.RuneError)
	}
	*c = Controls{sequence: c.sequence[:0]}
	return dst
}

// control takes a control character outside of sequences.
func (c *Controls) control(dst []byte, b byte) []byte {
	switch b {
	case '\t':
		c.within, c.returned = true, false
		return append(dst, b)
	case '\r':
		if !c.within { // there is nothing to overwrite
			return dst
		}
		c.within, c.returned = false, true
		return append(dst, '\n')
	case '\n':
		if c.returned {
			c.returned = false
			return dst
		}
		c.within = false
		return append(dst, b)
	case escape:
		c.state = afterEscape
	}
	return dst
}

// step takes one byte of a sequence. It returns false when the sequence has
// ended before the byte, which is text then.
func (c *Controls) step(dst *[]byte, b byte) bool {
	switch c.state {
	case afterEscape, inEscape:
		switch {
		case c.state == afterEscape && b == '[':
			c.state, c.sequence = inSequence, c.sequence[:0]
			return true
		case c.state == afterEscape && bytes.IndexByte([]byte("]PX^_"), b) >= 0:
			c.state = inString
			return true
		case b >= ' ' && b < '0':
			c.state = inEscape
			return true
		case b >= '0' && b < del:
			c.state = inText
			return true
		}
	case inSequence, inLost:
		switch {
		case b >= ' ' && b < '@':
			if len(c.sequence) == longestSequence {
				c.state = inLost
			} else {
				c.sequence = append(c.sequence, b)
			}
			return true
		case b >= '@' && b < del:
			if b == 'm' && c.state == inSequence && isColour(c.sequence) {
				*dst = append(append(append(*dst, escape, '['), c.sequence...), 'm')
			}
			c.state = inText
			return true
		}
	case inString:
		switch b {
		case escape:
			c.state = escapeString
			return true
		case bel, cancel, subst:
			c.state = inText
			return true
		case '\n', '\r': // one without an end must not swallow what follows
		default:
			return true
		}
	case escapeString:
		c.state = inText
		if b == '\\' {
			return true
		}
		c.state = afterEscape
		return false
	}
	c.state = inText
	return false
}

// isColour reports whether the parameters of an SGR sequence may be kept: they
// are numbers, and none of them conceals text. Jenkins takes what follows the
// sequence that conceals for an object.
func isColour(parameters []byte) bool {
	skip := 0
	for parameter := range bytes.SplitSeq(parameters, []byte(";")) {
		for _, b := range parameter {
			if b != ':' && (b < '0' || b > '9') {
				return false
			}
		}
		number := string(bytes.TrimLeft(parameter, "0"))
		switch {
		case skip < 0: // which kind of colour follows 38, 48 or 58
			skip = map[string]int{"5": 1, "2": 3}[number]
		case skip > 0:
			skip--
		case number == "38" || number == "48" || number == "58":
			skip = -1
		case number == "8" || len(number) > 1 && number[:2] == "8:":
			return false
		}
	}
	return true
}

// invisible are the characters that Unicode says to show nothing of, or only
// the effect on their neighbours.
var invisible = []*unicode.RangeTable{unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector}

// visible returns what is printed of a character beyond ASCII, negative for
// nothing.
func visible(r rune) rune {
	switch {
	case r < 0xa0: // C1
		return -1
	case r > 0xa0 && r < 0x300 && r != 0xad, r >= 0x2500 && r < 0x3000, r >= 0x4e00 && r < 0xfb00: // by far the most
		return r
	case unicode.IsSpace(r):
		return ' '
	case r&0xfffe == 0xfffe || r >= 0xfdd0 && r < 0xfdf0: // no characters at all
		return utf8.RuneError
	case unicode.In(r, invisible...) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r):
		return -1
	}
	return r
}
