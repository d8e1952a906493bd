package progress

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-build/slipway/internal/sanitize"
)

const (
	// shortestSecret is the length in bytes below which a value is not masked:
	// shorter ones stand in every other line by chance.
	shortestSecret = 4
	// shortestLine is the same for one line of a value that has several.
	shortestLine = 8
	// shortestInner is the same for what is left of a value in the middle of
	// something that is base64.
	shortestInner = 8
	// longestEncoded is the length up to which a value is also looked for in
	// its encodings: a larger one is a file, whose lines are looked for.
	longestEncoded = 16 << 10
	// longestPause is how much of what may stand within a secret is held back
	// with it, besides twice the length of the longest.
	longestPause = 1 << 10
)

// needles are the forms of all secrets, none shorter than shortestSecret.
type needles struct {
	// filter has a bit for what forms begin with, by its hash, so that most of
	// a text is passed over at once.
	filter [1 << 10]uint64
	// byStart are the forms by their first four bytes, the longest first: a
	// secret may be part of another.
	byStart map[uint32][][]byte
	// begun are the first one, two and three bytes of all forms.
	begun   map[string]bool
	longest int
}

func newNeedles(values map[string]bool) *needles {
	all := map[string]bool{}
	for value := range values {
		for _, form := range secretForms(value) {
			all[form] = true
		}
	}
	n := &needles{byStart: map[uint32][][]byte{}, begun: map[string]bool{}}
	for form := range all {
		start := binary.LittleEndian.Uint32([]byte(form))
		n.byStart[start] = append(n.byStart[start], []byte(form))
		n.longest = max(n.longest, len(form))
		h := hash(start)
		n.filter[h>>6] |= 1 << (h & 63)
		for i := 1; i < shortestSecret; i++ {
			n.begun[form[:i]] = true
		}
	}
	for _, list := range n.byStart {
		slices.SortFunc(list, func(a, b []byte) int {
			return cmp.Or(cmp.Compare(len(b), len(a)), bytes.Compare(a, b))
		})
	}
	return n
}

// hash has 16 bits.
func hash(start uint32) uint32 { return start * 0x9e3779b1 >> 16 }

// split appends p to dst without secrets, and returns the end of p with which
// one may begin; there is none when nothing follows p. It does not change p.
func (n *needles) split(dst, p []byte, whole bool) (_, held []byte) {
	text, pauses, rest := visible(p, whole)
	from, next := 0, 0 // what has not been taken over: of text, of pauses
	take := func(to int) {
		for ; next < len(pauses) && pauses[next].at <= to; next++ {
			dst = append(dst, text[from:pauses[next].at]...)
			dst = append(dst, pauses[next].sequence...)
			from = pauses[next].at
		}
		dst = append(dst, text[from:to]...)
		from = to
	}
	for i := 0; i < len(text); i++ {
		if len(text)-i < shortestSecret {
			if !whole && n.begun[string(text[i:])] {
				take(i)
				return dst, p[rawOffset(pauses, i):]
			}
			continue
		}
		start := binary.LittleEndian.Uint32(text[i:])
		if h := hash(start); n.filter[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		length, begun := match(n.byStart[start], text[i:])
		if begun && !whole {
			if raw := p[rawOffset(pauses, i):]; len(raw) <= 2*n.longest+longestPause {
				take(i)
				return dst, raw
			}
		}
		if length == 0 {
			continue
		}
		take(i)
		dst = append(dst, masked...)
		// The colours within are kept: they may end one.
		for ; next < len(pauses) && pauses[next].at < i+length; next++ {
			dst = append(dst, pauses[next].sequence...)
		}
		from = i + length
		i = from - 1
	}
	take(len(text))
	return dst, rest
}

// match returns how much of text the longest form is that it begins with, 0 for
// none. Text that ends within a longer form is begun.
func match(forms [][]byte, text []byte) (length int, begun bool) {
	for _, form := range forms {
		n, ended := matchForm(form, text)
		if n > 0 {
			return n, begun
		}
		begun = begun || ended
	}
	return 0, begun
}

// matchForm returns how much of text is the form, 0 when text does not begin
// with it. Where text ends first, ended is true. A form may be broken into
// lines, indented or not, but for its first bytes: else every line that ends
// with one of them would be held back.
func matchForm(form, text []byte) (length int, ended bool) {
	at := 0
	for i := 0; i < len(form); {
		if at == len(text) {
			return 0, true
		}
		if text[at] == form[i] {
			i, at = i+1, at+1
			continue
		}
		if i < shortestSecret {
			return 0, false
		}
		broken := lineBreak(text[at:])
		if broken == 0 {
			return 0, false
		}
		at += broken
	}
	return at, false
}

// lineBreak is the length of the line break that text begins with, with the
// indent of the next line; 0 for none.
func lineBreak(text []byte) int {
	n := 0
	if n < len(text) && text[n] == '\r' {
		n++
	}
	if n < len(text) && text[n] == '\n' {
		n++
		for n < len(text) && (text[n] == ' ' || text[n] == '\t') {
			n++
		}
	}
	return n
}

// pause is a control sequence within a text, such as a colour.
type pause struct {
	at       int // in the text without sequences
	sequence []byte
}

const escape = 0x1b

// visible returns p without its control sequences, and these. When more may
// follow, the rest is the beginning of one.
func visible(p []byte, whole bool) (text []byte, pauses []pause, rest []byte) {
	if bytes.IndexByte(p, escape) < 0 {
		return p, nil, nil
	}
	text = make([]byte, 0, len(p))
	for len(p) > 0 {
		at := bytes.IndexByte(p, escape)
		if at < 0 {
			return append(text, p...), pauses, nil
		}
		text, p = append(text, p[:at]...), p[at:]
		n := sequence(p)
		switch {
		case n > 0:
			pauses = append(pauses, pause{at: len(text), sequence: p[:n]})
			p = p[n:]
		case n == 0 && !whole:
			return text, pauses, p
		default:
			text, p = append(text, p[0]), p[1:]
		}
	}
	return text, pauses, nil
}

// sequence returns the length of the control sequence (CSI) that p begins with,
// 0 when p ends within it, negative when it is none.
func sequence(p []byte) int {
	for i, b := range p {
		switch {
		case i == 0 || i == 1 && b == '[':
		case i == 1 || i > longestPause:
			return -1
		case b >= ' ' && b < '@':
		case b >= '@' && b < 0x7f:
			return i + 1
		default:
			return -1
		}
	}
	return 0
}

// rawOffset is where a place in the text without sequences is in the text with
// them.
func rawOffset(pauses []pause, at int) int {
	raw := at
	for _, p := range pauses {
		if p.at <= at {
			raw += len(p.sequence)
		}
	}
	return raw
}

// trimmed is a value without the line ends that a file or a shell has put
// behind it.
func trimmed(value string) string { return strings.TrimRight(value, "\r\n") }

// secretForms are the ways in which a secret may be printed: as it is, in a
// URL, in a string of JSON or Go, in hex, in base64 alone or in the middle of
// something else, and line by line.
func secretForms(value string) []string {
	bare := trimmed(value)
	all := []string{bare}
	// Filters that come before this one have taken control characters out.
	var controls sanitize.Controls
	if clean := trimmed(string(controls.End(controls.Append(nil, []byte(bare))))); len(clean) >= shortestSecret {
		all = append(all, clean)
	}
	if len(value) <= longestEncoded {
		all = append(all, escaped(bare)...)
		all = append(all, encoded(bare)...)
		// What echo and files put behind it is encoded as well.
		for _, end := range []string{"\n", "\r\n"} {
			all = append(all, base64.StdEncoding.EncodeToString([]byte(bare+end)))
		}
	}
	if lines := strings.Split(bare, "\n"); len(lines) > 1 {
		for _, line := range lines {
			if line = strings.TrimSpace(line); len(line) >= shortestLine {
				all = append(all, line)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

var percent = regexp.MustCompile(`%[0-9A-F]{2}`)

// escaped is a value in URLs and in strings.
func escaped(value string) []string {
	all := []string{url.QueryEscape(value), url.PathEscape(value), unquoted(strconv.Quote(value))}
	for _, form := range all[:2] {
		all = append(all, percent.ReplaceAllStringFunc(form, strings.ToLower))
	}
	for _, html := range []bool{false, true} {
		var out strings.Builder
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(html)
		if encoder.Encode(value) == nil { // it does for every string
			all = append(all, unquoted(strings.TrimSuffix(out.String(), "\n")))
		}
	}
	return all
}

// encoded is a value in hex and in base64.
func encoded(value string) []string {
	raw := []byte(value)
	digits := hex.EncodeToString(raw)
	all := []string{digits, strings.ToUpper(digits)}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		all = append(all, encoding.EncodeToString(raw), encoding.WithPadding(base64.NoPadding).EncodeToString(raw))
		// Where it stands behind other bytes, three alignments are possible;
		// the bytes at either end that share a group with others are left.
		for skip := range 3 {
			if groups := (len(raw) - skip) / 3; groups > 0 {
				if inner := encoding.EncodeToString(raw[skip : skip+3*groups]); len(inner) >= shortestInner {
					all = append(all, inner)
				}
			}
		}
	}
	return all
}

// unquoted is a quoted string without its quotes.
func unquoted(s string) string { return s[1 : len(s)-1] }
