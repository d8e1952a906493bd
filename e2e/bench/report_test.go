package main

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/e2e/bench/sample"
)

// sampleReport has a row that went well, one with failures and agents at once.
func sampleReport() report {
	atOnce := result{tool: slipway}
	atOnce.add(sample.Round{WallMS: 2000, Processes: []sample.Process{{WallMS: 1000, CPUMS: 5}, {WallMS: 2000, CPUMS: 5, Failure: "exit status 4 after 2.0 s: builder | lost `x`"}}}, nil, 0)
	c := nodesCurve(quick)
	return report{
		facts: []fact{{"cores", "2"}},
		rows: []measured{
			{row: row{name: "warm", tools: []tool{slipway, buildx, buildctl}, goals: []goal{{against: buildx, faster: 2.5}, {against: buildctl, within: 1.3}}},
				results: []result{single(slipway, 100, 110, 120), single(buildx, 300, 330, 360), single(buildctl, 70, 71, 72)}},
			{row: row{name: "cold", tools: []tool{slipway, buildx}, goals: []goal{{against: buildx, faster: 10}}},
				results: []result{single(slipway, 2000, -10), single(buildx, -1, -1)}},
			{row: row{name: "many", tools: []tool{slipway}, atOnce: 2}, results: []result{atOnce}},
		},
		curves: []measuredCurve{{curve: c, at: []measured{{row: c.points[0].row, results: []result{single(slipway, 50), single(buildx, 100)}}}}},
	}
}

func TestMarkdown(t *testing.T) {
	got := sampleReport().markdown()
	for _, want := range []string{
		"| work | slipway | buildx | buildctl | ÷ buildx | ÷ buildctl | goal |\n|---|---|---|---|---|---|---|\n",
		"| warm | 110 ms (100 ms–120 ms) | 330 ms (300 ms–360 ms) | 71 ms (70 ms–72 ms) | 3.00x | 0.65x | 2.5x faster than buildx: reached; within 1.3x of buildctl: **missed** |\n",
		"| cold | 2.00 s (2.00 s–2.00 s), **1 of 2 runs failed** | **failed**, **2 of 2 runs failed** |  | – |  | 10x faster than buildx: **missed** |\n",
		"| many | **failed**, **1 of 2 builds failed** |  |  |  |  |  |\n",
		"| many | slipway | 30 | 1.00 s | 1.0x | 1 of 2 |\n",
		"## Curve: nodes, one platform on each, warm, local output\n\n| nodes | slipway | buildx | ÷ buildx |\n|---|---|---|---|\n| 1 | 50 ms (50 ms–50 ms) | 100 ms (100 ms–100 ms) | 2.00x |\n",
		"- cold, buildx: `run 1: exit status 1`\n- cold, buildx: `run 2: exit status 1`\n- cold, buildx: not tried again after 2 failures in a row\n",
		"- many, slipway: `run 1, agent 2: exit status 4 after 2.0 s: builder | lost 'x'`\n",
		"| cores | 2 |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the report does not hold\n%s", want)
		}
	}
	if strings.Contains(got, "quick") {
		t.Error("a full report calls itself quick")
	}
	if t.Failed() {
		t.Log(got)
	}
	if got := (report{quick: true}).markdown(); !strings.Contains(got, "figures mean nothing") || !strings.Contains(got, "No run failed.") {
		t.Errorf("an empty quick report:\n%s", got)
	}
}

func TestFailuresAreCutShort(t *testing.T) {
	m := measured{row: row{name: "r"}, results: []result{{tool: buildx, failures: []string{"1", "2", "3", "4", "5"}}}}
	want := "\n## Failures\n\n- r, buildx: `1`\n- r, buildx: `2`\n- r, buildx: `3`\n- r, buildx: and 2 more\n"
	if diff := cmp.Diff(want, report{rows: []measured{m}}.failures()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCostVerdict(t *testing.T) {
	for _, tt := range []struct {
		own, peer stats
		want      string
	}{
		{stats{cpu: 10, memory: 5}, stats{cpu: 10, memory: 5}, "reached"},
		{stats{cpu: 15, memory: 5}, stats{cpu: 10, memory: 5}, "CPU **missed** (1.50x)"},
		{stats{cpu: 1, memory: 10}, stats{cpu: 10, memory: 5}, "memory **missed** (2.00x)"},
		{stats{}, stats{cpu: 10, memory: 5}, "–"},
	} {
		if got := costVerdict(tt.own, tt.peer); got != tt.want {
			t.Errorf("%+v beside %+v: %q, want %q", tt.own, tt.peer, got, tt.want)
		}
	}
}

func TestTable(t *testing.T) {
	got := table([][]string{{"a", "nobody", "b"}, {"1|2", "", ""}, {"", "", "3"}})
	want := "| a | b |\n|---|---|\n| 1\\|2 |  |\n|  | 3 |\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestChart(t *testing.T) {
	r := sampleReport()
	r.rows[0].name = "a < b & c"
	raw, err := r.chart()
	if err != nil {
		t.Fatal(err)
	}
	var picture svg
	if err := xml.Unmarshal(raw, &picture); err != nil {
		t.Fatalf("%v:\n%s", err, raw)
	}
	bars := picture.Bars[1:] // after the background
	if len(bars) != 6 {
		t.Fatalf("%d bars, want 3 + 2 + 1", len(bars))
	}
	// 110, 330 and 71 ms on the scale of the slowest, in whole pixels.
	if bars[1].Width/3 != bars[0].Width || bars[2].Width >= bars[0].Width || bars[4].Width != 0 || bars[5].Width != 0 {
		t.Errorf("widths: %+v", bars)
	}
	var words []string
	for _, w := range picture.Words {
		words = append(words, w.Words)
		if w.Y <= 0 || w.Y > picture.Height || w.X > picture.Width {
			t.Errorf("%q is outside of the picture", w.Words)
		}
	}
	said := strings.Join(words, "\n")
	for _, want := range []string{"a < b & c", "110 ms", "330 ms  (3.00x)", "71 ms  (0.65x)", "failed"} {
		if !strings.Contains(said, want) {
			t.Errorf("the chart does not say %q:\n%s", want, said)
		}
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	for range 2 { // again after each row
		if err := sampleReport().write(dir); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 || entries[0].Name() != markdownFile || entries[1].Name() != chartFile {
		t.Errorf("%v, %v", entries, err)
	}
}
