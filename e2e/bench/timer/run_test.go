package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRunAtOnce(t *testing.T) {
	dir := t.TempDir()
	// Each waits until the other has come: one after the other would fail.
	script := `touch "$PLACE/came-$ME"; while [ $(ls "$PLACE" | wc -l) -lt 2 ]; do :; done; echo $ME > "$PLACE/came-$ME"`
	round := spec{
		env:     []string{"PLACE=" + dir, "ME={n}"},
		command: []string{"sh", "-c", script},
		check:   `test "$(cat ` + dir + `/came-{n})" = {n}`,
		atOnce:  2,
		timeout: time.Minute,
	}.run()
	if len(round.Processes) != 2 || round.Succeeded() != 2 {
		t.Fatalf("round: %+v", round)
	}
	for i, p := range round.Processes {
		if p.WallMS <= 0 || p.CPUMS <= 0 || p.MaxRSSKB <= 0 || p.WallMS > round.WallMS {
			t.Errorf("process %d: %+v in a round of %v ms", i+1, p, round.WallMS)
		}
	}
}

func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		name string
		spec spec
		want []string
	}{
		{"exit", spec{command: []string{"sh", "-c", "echo so it ends; exit 3"}}, []string{"exit status 3", "so it ends"}},
		{"check", spec{command: []string{"true"}, check: "echo not there; false"}, []string{"wrong result", "not there"}},
		{"timeout", spec{command: []string{"tail", "-f", os.DevNull}, timeout: time.Millisecond}, []string{"killed"}},
		{"no such program", spec{command: []string{filepath.Join(t.TempDir(), "none")}}, []string{"no such file"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.spec.atOnce = 1
			if tt.spec.timeout == 0 {
				tt.spec.timeout = time.Minute
			}
			round := tt.spec.run()
			if round.Succeeded() != 0 {
				t.Fatalf("succeeded: %+v", round)
			}
			for _, want := range tt.want {
				if !strings.Contains(round.Processes[0].Failure, want) {
					t.Errorf("failure %q does not say %q", round.Processes[0].Failure, want)
				}
			}
		})
	}
}

func TestLastWords(t *testing.T) {
	if got := lastWords([]byte(" a\nb \n")); got != "a b" {
		t.Errorf("short: %q", got)
	}
	long := lastWords([]byte(strings.Repeat("x", 1000) + " end"))
	if !strings.HasSuffix(long, "x end") || len(long) > 410 {
		t.Errorf("long: %q", long)
	}
}
