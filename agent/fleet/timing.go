package fleet

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/table"
)

// Timing notes what a command spends its time on: its own steps, the requests
// to the API server, those to buildkitd. A nil Timing notes nothing. It is safe
// for concurrent use.
type Timing struct {
	began time.Time

	mu      sync.Mutex
	entries []timingEntry
}

type timingEntry struct {
	node, what string
	from, to   time.Time
}

// NewTiming returns an empty Timing of a command that began then.
func NewTiming(began time.Time) *Timing { return &Timing{began: began} }

// Begin notes that something begins, on a node or, if that is empty, on the
// agent alone. The returned function ends it.
func (l *Timing) Begin(node, what string) func() {
	if l == nil {
		return func() {}
	}
	from := time.Now()
	return func() { l.add(timingEntry{node, what, from, time.Now()}) }
}

// Since notes what has gone on since then and ends now.
func (l *Timing) Since(what string, from time.Time) {
	if l != nil {
		l.add(timingEntry{"", what, from, time.Now()})
	}
}

// observe is Begin for requests of a node; nil where nothing is noted.
func (l *Timing) observe(node string) func(string) func() {
	if l == nil {
		return nil
	}
	return func(what string) func() { return l.Begin(node, what) }
}

func (l *Timing) add(e timingEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
}

// Print writes a line for each entry, by the time when it began: when that was
// after the beginning of the command, how long it took, and what it was.
func (l *Timing) Print(w io.Writer) error {
	end := time.Now()
	l.mu.Lock()
	entries := slices.Clone(l.entries)
	l.mu.Unlock()
	slices.SortStableFunc(entries, func(a, b timingEntry) int {
		return cmp.Or(a.from.Compare(b.from), b.to.Compare(a.to))
	})
	entries = append(entries, timingEntry{what: "the command", from: l.began, to: end})
	t := table.New(w, 2, tabwriter.AlignRight)
	fmt.Fprintln(t, "AT\tTOOK\t\tWHAT")
	for _, e := range entries {
		what := e.what
		if e.node != "" {
			what = "[" + e.node + "] " + what
		}
		// The words follow the last aligned column.
		sanitize.Fprintf(t, "%s\t%s\t\t%s\n", milliseconds(e.from.Sub(l.began)), milliseconds(e.to.Sub(e.from)), what)
	}
	return t.Flush()
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
