package fleet

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/table"
)

// Timing notes what a command spends its time on: its own steps, the requests
// to the API server, those to buildkitd. It consumes the spans among the command's
// events, and is read once its subscription has ended.
type Timing struct {
	began   time.Time
	entries []timingEntry
}

type timingEntry struct {
	node, what string
	from, to   time.Time
}

// NewTiming returns an empty Timing of a command that began then.
func NewTiming(began time.Time) *Timing { return &Timing{began: began} }

// Consume implements event.Consumer.
func (l *Timing) Consume(e event.Event) error {
	if s := e.Span; s != nil {
		l.entries = append(l.entries, timingEntry{e.Node, s.What, s.From, s.To})
	}
	return nil
}

// Print writes a line for each entry, by the time when it began: when that was
// after the beginning of the command, how long it took, and what it was.
func (l *Timing) Print(w io.Writer) error {
	end := time.Now()
	entries := slices.Clone(l.entries)
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
