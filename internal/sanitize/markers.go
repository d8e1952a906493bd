package sanitize

import "bytes"

// MaxLine is the length in bytes at which a line is cut into two: output
// without line ends must not fill the memory, here or where it is read.
const MaxLine = 64 << 10

// cut ends a line that was cut.
const cut = " [the line goes on]\n"

// Markers is a Filter that breaks what CI systems take for commands, with a
// space that leaves it readable. It takes text that Controls has left: it looks
// through colours and takes only newlines for line ends.
//
//	::name …::          at the beginning of a line, or after spaces: GitHub, Gitea
//	##[name …]          anywhere: GitHub, Azure
//	##vso[…], ##word[…] anywhere: Azure, TeamCity
//	section_start:…     anywhere, section_end:… too: GitLab
//	--- …, +++ …, ~~~ … at the beginning of a line: Buildkite
//	^^^ +++             at the beginning of a line: Buildkite
//
// It also cuts lines at MaxLine, and ends colours at the end of each line: what
// one line says does not change how the next one looks.
//
// The zero Markers is ready to use.
type Markers struct {
	// Prefixed says that the lines are printed with something in front, so
	// that nothing in them is at the beginning of a line.
	Prefixed bool

	// whole says that lines are not cut.
	whole bool

	place place
	// lead are the bytes, all alike, with which the line begins and which are
	// held back because they may begin a marker.
	lead []byte
	// length is that of the line up to now.
	length int
	// tail are the last bytes of the line, without colours.
	tail []byte
	// hashed says that the line, without colours, ends in ## or ##word, however
	// long the word is.
	hashed bool
	// colour says that one has been set in this line, inColour that its
	// sequence has not ended.
	colour, inColour bool
}

// place is where in a line the next byte stands.
type place uint8

const (
	atStart    place = iota
	afterBlank       // there are only spaces before
	afterColon       // and one colon
	inLine
)

// longestTail is how far Markers looks back: no marker is longer before the
// byte that makes it one.
const longestTail = 16

// Append implements Filter.
func (m *Markers) Append(dst, p []byte) []byte {
	for i := 0; i < len(p); {
		b := p[i]
		if m.inColour {
			m.inColour = b != 'm'
			dst, i = m.colourByte(dst, b), i+1
			continue
		}
		switch {
		case b == '\n':
			dst, i = append(m.endLine(dst), b), i+1
			continue
		case b == escape:
			m.colour, m.inColour = true, true
			dst, i = m.colourByte(m.parted(dst), b), i+1
			continue
		case m.length >= MaxLine && !m.whole && b&0xc0 != 0x80: // not within a character
			dst = append(m.endLine(dst), cut...)
		}
		if m.Prefixed {
			m.place = inLine
		}
		if m.place == inLine {
			n := m.run(p[i:])
			dst, i = m.text(dst, p[i:i+n]), i+n
			continue
		}
		dst, i = m.begin(dst, b), i+1
	}
	return dst
}

// End implements Filter.
func (m *Markers) End(dst []byte) []byte {
	dst = m.endLine(dst)
	m.inColour = false
	return dst
}

// endLine appends what a line needs before its end, and forgets the line.
func (m *Markers) endLine(dst []byte) []byte {
	dst = append(dst, m.lead...)
	if m.colour {
		dst = append(m.parted(dst), "\x1b[0m"...)
	}
	m.place, m.length, m.colour, m.hashed = atStart, 0, false, false
	m.lead, m.tail = m.lead[:0], m.tail[:0]
	return dst
}

// colourByte is one of a colour's sequence. One that comes before what is held
// back changes nothing about it.
func (m *Markers) colourByte(dst []byte, b byte) []byte {
	m.length++
	return append(dst, b)
}

// parted appends the space that keeps ## from the bracket of a colour: GitHub's
// runner looks through the control character between.
func (m *Markers) parted(dst []byte) []byte {
	if !m.hashed {
		return dst
	}
	m.hashed = false
	m.tail = append(m.tail, ' ')
	return append(dst, ' ')
}

// begin takes a byte before which there is nothing but what may begin a marker.
func (m *Markers) begin(dst []byte, b byte) []byte {
	if len(m.lead) > 0 {
		if b == m.lead[0] && len(m.lead) < 3 {
			m.lead = append(m.lead, b)
			return dst
		}
		if len(m.lead) == 3 && (b == ' ' || b == '\t') {
			dst = append(dst, ' ')
		}
		lead := m.lead
		m.lead, m.place = m.lead[:0], inLine
		return m.text(m.text(dst, lead), []byte{b})
	}
	switch {
	case b == ' ' || b == '\t':
		m.place = afterBlank
	case b == ':' && m.place == afterColon:
		dst = append(dst, ' ')
		m.place = inLine
	case b == ':':
		m.place = afterColon
	case m.place == atStart && bytes.IndexByte([]byte("-+~^"), b) >= 0:
		m.lead = append(m.lead, b)
		return dst
	default:
		m.place = inLine
	}
	return m.text(dst, []byte{b})
}

// marking are the bytes that Append must look at one by one.
var marking = [256]bool{'\n': true, escape: true, '[': true, ':': true}

// run is how many bytes of p, one at least, are of a line and can be taken at
// once: a byte that completes a marker stands alone.
func (m *Markers) run(p []byte) int {
	room := len(p)
	if !m.whole {
		room = min(room, max(MaxLine-m.length, 1))
	}
	n := 1
	if p[0] != '[' && p[0] != ':' {
		for n < room && !marking[p[n]] {
			n++
		}
	}
	for n < len(p) && p[n]&0xc0 == 0x80 { // not within a character
		n++
	}
	return n
}

// text appends text of a line.
func (m *Markers) text(dst, p []byte) []byte {
	switch {
	case p[0] == '[':
		dst = m.parted(dst)
	case p[0] == ':' && endsInSection(m.tail):
		dst = append(dst, ' ')
	}
	m.length += len(p)
	m.hashed = m.endsInHashes(p)
	m.tail = append(m.tail, p[max(0, len(p)-longestTail):]...)
	if extra := len(m.tail) - longestTail; extra > 0 {
		m.tail = append(m.tail[:0], m.tail[extra:]...)
	}
	return append(dst, p...)
}

// endsInHashes reports whether the line ends in ## or ##word when p follows.
func (m *Markers) endsInHashes(p []byte) bool {
	before := bytes.TrimRightFunc(p, func(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' })
	switch len(before) {
	case 0: // p goes on with the word
		return m.hashed
	case 1:
		return before[0] == '#' && bytes.HasSuffix(m.tail, []byte("#"))
	}
	return bytes.HasSuffix(before, []byte("##"))
}

// endsInSection reports whether text ends in a word that begins or ends a
// section when a colon follows.
func endsInSection(text []byte) bool {
	return bytes.HasSuffix(text, []byte("section_start")) || bytes.HasSuffix(text, []byte("section_end"))
}
