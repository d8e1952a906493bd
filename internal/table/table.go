// Package table prints aligned columns.
package table

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Writer aligns columns as a tabwriter does, and leaves no blanks at the ends of
// lines, where cells are empty: they wrap in a narrow terminal and show up in
// comparisons of logs.
type Writer struct {
	*tabwriter.Writer
	aligned *bytes.Buffer
	out     io.Writer
}

// New makes a Writer with padding blanks between columns. flags are those of
// package tabwriter.
func New(out io.Writer, padding int, flags uint) *Writer {
	var aligned bytes.Buffer
	return &Writer{tabwriter.NewWriter(&aligned, 0, 0, padding, ' ', flags), &aligned, out}
}

// Flush writes the table.
func (w *Writer) Flush() error {
	if err := w.Writer.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(w.aligned.String()) {
		if _, err := fmt.Fprintln(w.out, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	w.aligned.Reset()
	return nil
}
