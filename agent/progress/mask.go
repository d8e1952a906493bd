package progress

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
)

// masked stands in the place of a secret.
const masked = "***"

// Mask keeps secrets out of what is printed: it knows their values and how
// they look when they are escaped or encoded. The zero Mask knows none and
// costs nothing; so does a nil one. It is safe for concurrent use.
type Mask struct {
	mu    sync.Mutex
	known map[string]bool
	forms atomic.Pointer[needles]
}

// Add makes values secret from now on and returns those that were not known
// and are long enough to be masked.
func (m *Mask) Add(values ...string) []string {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var added []string
	for _, value := range values {
		if len(value) < shortestSecret || m.known[value] {
			continue
		}
		if m.known == nil {
			m.known = map[string]bool{}
		}
		m.known[value] = true
		added = append(added, value)
	}
	if len(added) > 0 {
		m.forms.Store(newNeedles(m.known))
	}
	return added
}

// needles returns what to look for, nil for nothing.
func (m *Mask) needles() *needles {
	if m == nil {
		return nil
	}
	return m.forms.Load()
}

// String returns text without secrets.
func (m *Mask) String(text string) string {
	n := m.needles()
	if n == nil {
		return text
	}
	return string(n.replace([]byte(text)))
}

// Writer returns a writer that passes everything on to out but secrets, also
// those that are cut in two by the borders of writes: what may be the beginning
// of one is held back until the next write, or Flush.
func (m *Mask) Writer(out io.Writer) *MaskWriter { return &MaskWriter{mask: m, out: out} }

// MaskWriter is the writer of a Mask. It is safe for concurrent use.
type MaskWriter struct {
	mask *Mask
	out  io.Writer

	mu   sync.Mutex
	text stream
}

// Write implements io.Writer. It reports all of p as written when out took
// what was passed on.
func (w *MaskWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if clean := w.text.next(w.mask.needles(), p); len(clean) > 0 {
		if _, err := w.out.Write(clean); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Flush writes what is held back.
func (w *MaskWriter) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := w.text.rest(w.mask.needles())
	if len(rest) == 0 {
		return nil
	}
	_, err := w.out.Write(rest)
	return err
}

// stream is a text that comes in pieces.
type stream struct{ held []byte }

// next returns what of the text can be shown, without secrets. It does not
// change p; the result may be p.
func (s *stream) next(n *needles, p []byte) []byte {
	if len(s.held) > 0 {
		p = append(s.held, p...)
		s.held = nil
	}
	if n == nil {
		return p
	}
	clean, begun := n.split(p, false)
	s.held = bytes.Clone(begun)
	return clean
}

// rest ends the text and returns what was held back.
func (s *stream) rest(n *needles) []byte {
	held := s.held
	s.held = nil
	if n == nil {
		return held
	}
	return n.replace(held)
}

// needles are the forms of all secrets.
type needles struct {
	// byFirst are the forms by their first byte, the longest first: a secret
	// may be part of another.
	byFirst [256][][]byte
	longest int
}

func newNeedles(values map[string]bool) *needles {
	all := map[string]bool{}
	for value := range values {
		for _, form := range secretForms(value) {
			all[form] = true
		}
	}
	n := &needles{}
	for form := range all {
		n.byFirst[form[0]] = append(n.byFirst[form[0]], []byte(form))
		n.longest = max(n.longest, len(form))
	}
	for _, list := range n.byFirst {
		slices.SortFunc(list, func(a, b []byte) int {
			return cmp.Or(cmp.Compare(len(b), len(a)), bytes.Compare(a, b))
		})
	}
	return n
}

// replace returns p without secrets; p itself if there are none.
func (n *needles) replace(p []byte) []byte {
	clean, _ := n.split(p, true)
	return clean
}

// split returns p without secrets, and the end of p with which one may begin;
// there is none when nothing follows p. It does not change p.
func (n *needles) split(p []byte, whole bool) (clean, begun []byte) {
	from := 0 // what has not been taken over into clean
	for i := 0; i < len(p); {
		forms := n.byFirst[p[i]]
		if len(forms) == 0 {
			i++
			continue
		}
		if !whole && len(p)-i < n.longest && begins(forms, p[i:]) {
			begun, p = p[i:], p[:i]
			break
		}
		form := match(forms, p[i:])
		if form == nil {
			i++
			continue
		}
		clean = append(append(clean, p[from:i]...), masked...)
		i += len(form)
		from = i
	}
	if clean == nil {
		return p, begun
	}
	return append(clean, p[from:]...), begun
}

// match returns the longest form that p begins with, nil for none.
func match(forms [][]byte, p []byte) []byte {
	for _, form := range forms {
		if bytes.HasPrefix(p, form) {
			return form
		}
	}
	return nil
}

// begins reports whether p is the beginning of a form and more is to come.
func begins(forms [][]byte, p []byte) bool {
	for _, form := range forms {
		if len(form) <= len(p) {
			return false // so are all that follow
		}
		if bytes.HasPrefix(form, p) {
			return true
		}
	}
	return false
}

// secretForms are the ways in which a secret may be printed: as it is, in a
// URL, in a string of JSON or Go, in base64 alone or in the middle of
// something else, and line by line.
func secretForms(value string) []string {
	all := []string{value, url.QueryEscape(value), url.PathEscape(value), unquoted(strconv.Quote(value))}
	for _, html := range []bool{false, true} {
		var out strings.Builder
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(html)
		if encoder.Encode(value) == nil { // it does for every string
			all = append(all, unquoted(strings.TrimSuffix(out.String(), "\n")))
		}
	}
	raw := []byte(value)
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		all = append(all, encoding.EncodeToString(raw))
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
	if lines := strings.Split(value, "\n"); len(lines) > 1 {
		for _, line := range lines {
			if line = strings.TrimSpace(line); len(line) >= shortestLine {
				all = append(all, line)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// unquoted is a quoted string without its quotes.
func unquoted(s string) string { return s[1 : len(s)-1] }
