package sanitize

import (
	"io"
	"sync"
)

// Filter changes a text that comes in pieces. What it makes of the text does
// not depend on where the pieces are cut.
type Filter interface {
	// Append appends to dst what can be said of the text so far. It neither
	// changes nor keeps p.
	Append(dst, p []byte) []byte
	// End appends to dst what was held back. The next piece begins a new text.
	End(dst []byte) []byte
}

// Chain is several filters, one after the other.
type Chain struct {
	filters []Filter
	// spare are buffers for what passes from one filter to the next.
	spare [2][]byte
}

// NewChain returns a filter that does what all of these do, in this order.
func NewChain(filters ...Filter) *Chain { return &Chain{filters: filters} }

// Append implements Filter.
func (c *Chain) Append(dst, p []byte) []byte { return c.pass(dst, p, false) }

// End implements Filter.
func (c *Chain) End(dst []byte) []byte { return c.pass(dst, nil, true) }

func (c *Chain) pass(dst, p []byte, end bool) []byte {
	for i, f := range c.filters {
		last := i == len(c.filters)-1
		out := c.spare[i%2][:0]
		if last {
			out = dst
		}
		if len(p) > 0 {
			out = f.Append(out, p)
		}
		if end {
			out = f.End(out)
		}
		if last {
			return out
		}
		c.spare[i%2], p = out, out
	}
	return append(dst, p...)
}

// Text returns a filter for text of several lines: Controls, then the filters
// between, then Markers. Filters that look for something in the text, such as
// secrets, belong between: control characters no longer hide it, and it is not
// changed yet.
func Text(between ...Filter) *Chain {
	filters := append([]Filter{&Controls{}}, between...)
	return NewChain(append(filters, &Markers{})...)
}

// Writer is a writer that text passes on its way to another. It is safe for
// concurrent use.
type Writer struct {
	mu     sync.Mutex
	out    io.Writer
	filter Filter
	buffer []byte
}

// NewWriter returns a writer that passes text on to out through Text. What
// cannot be judged yet is held back until the next write, or Flush: the
// beginning of a character, of a control sequence or of a marker.
func NewWriter(out io.Writer, between ...Filter) *Writer {
	return FilterWriter(out, Text(between...))
}

// FilterWriter returns a writer that passes text on to out through a filter.
func FilterWriter(out io.Writer, filter Filter) *Writer { return &Writer{out: out, filter: filter} }

// Write implements io.Writer. It reports all of p as written when out took
// what was passed on.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buffer = w.filter.Append(w.buffer[:0], p)
	if err := w.flush(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what is held back. What is written after it begins a new line.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buffer = w.filter.End(w.buffer[:0])
	return w.flush()
}

func (w *Writer) flush() error {
	if len(w.buffer) == 0 {
		return nil
	}
	_, err := w.out.Write(w.buffer)
	return err
}
