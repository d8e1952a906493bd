package progress

import (
	"sync"
	"sync/atomic"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// masked stands in the place of a secret.
const masked = "***"

// Mask keeps secrets out of what is printed: it knows their values and how
// they look when they are escaped, encoded, coloured or broken into lines. The
// zero Mask knows none and costs nothing; so does a nil one. It is safe for
// concurrent use.
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
		if len(trimmed(value)) < shortestSecret || m.known[value] {
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
	clean, _ := n.split(nil, []byte(text), true)
	return string(clean)
}

// Filter returns a filter for text that comes in pieces. What may be the
// beginning of a secret is held back until the next piece.
func (m *Mask) Filter() sanitize.Filter { return &maskFilter{mask: m} }

// maskFilter is the filter of a Mask.
type maskFilter struct {
	mask *Mask
	held []byte
}

// Append implements sanitize.Filter.
func (f *maskFilter) Append(dst, p []byte) []byte {
	n := f.mask.needles()
	if n == nil { // and so it was when nothing could be held back
		return append(dst, p...)
	}
	if len(f.held) > 0 {
		p = append(f.held, p...)
	}
	dst, held := n.split(dst, p, false)
	f.held = append([]byte(nil), held...)
	return dst
}

// End implements sanitize.Filter.
func (f *maskFilter) End(dst []byte) []byte {
	if len(f.held) == 0 {
		return dst
	}
	held := f.held
	f.held = nil
	dst, _ = f.mask.needles().split(dst, held, true)
	return dst
}
