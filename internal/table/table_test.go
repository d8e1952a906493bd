package table_test

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/slipway-build/slipway/internal/table"
)

func TestFlush(t *testing.T) {
	for _, tt := range []struct {
		name    string
		padding int
		flags   uint
		rows    []string
		want    string
	}{
		{"nothing", 3, 0, nil, ""},
		{"empty cells at the end", 3, 0, []string{"A\tB\tC", "long\t\t", "x\ty\t"}, "A      B   C\nlong\nx      y\n"},
		{"aligned right", 2, tabwriter.AlignRight, []string{"A\t\tB", "100\t\t"}, "    A  B\n  100\n"},
		{"an empty row", 1, 0, []string{"\t", "a\tb"}, "\na b\n"},
	} {
		var out strings.Builder
		w := table.New(&out, tt.padding, tt.flags)
		for _, row := range tt.rows {
			fmt.Fprintln(w, row)
		}
		for range 2 { // nothing is written twice
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if out.String() != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, out.String(), tt.want)
		}
	}
}
