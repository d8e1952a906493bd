package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/cmd/slipway/kaniko"
)

// TestReferenceOfKaniko compares the table of docs/from-kaniko.md with the one that
// decides.
func TestReferenceOfKaniko(t *testing.T) {
	const path, mark = "../../docs/from-kaniko.md", "<!-- The table is written by make docs. -->\n\n"
	page := readText(t, path)
	before, got, ok := strings.Cut(page, strings.TrimSuffix(mark, "\n"))
	if !ok {
		t.Fatalf("%s has no %s", path, mark)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+mark+kaniko.Table()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff("\n"+kaniko.Table(), got); diff != "" {
		t.Errorf("%s is out of date, run go test ./cmd/slipway -run Reference -update (-file +program):\n%s", path, diff)
	}
	if !strings.Contains(before, kaniko.Release) {
		t.Errorf("%s does not name %s", path, kaniko.Release)
	}
}
