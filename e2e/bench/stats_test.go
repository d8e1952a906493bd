package main

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/e2e/bench/sample"
)

// single is a result of runs with one process that took so many ms; below 0
// it failed.
func single(t tool, walls ...float64) result {
	r := result{tool: t}
	for i, wall := range walls {
		p := sample.Process{WallMS: math.Abs(wall), CPUMS: math.Abs(wall) / 10, MaxRSSKB: int64(math.Abs(wall))}
		if wall < 0 {
			p.Failure = "exit status 1"
		}
		r.add(sample.Round{WallMS: p.WallMS, Processes: []sample.Process{p}}, nil, i)
	}
	return r
}

func TestOf(t *testing.T) {
	several := result{}
	several.add(sample.Round{WallMS: 1000, Processes: []sample.Process{
		{WallMS: 200, CPUMS: 10, MaxRSSKB: 1}, {WallMS: 400, CPUMS: 20, MaxRSSKB: 3}, {WallMS: 1000, CPUMS: 30, MaxRSSKB: 2}, {WallMS: 900, CPUMS: 40, MaxRSSKB: 9, Failure: "x"},
	}}, nil, 0)
	for _, tt := range []struct {
		name string
		in   result
		want stats
	}{
		{"one process", single(slipway, 100, 300, 200), stats{
			runs: 3, ok: 3, median: 200, least: 100, most: 300, cpu: 20, memory: 300 * 1024, perMinute: 300, build: 200, slowest: 1, builds: 3,
		}},
		{"a failure counts for nothing but itself", single(slipway, 100, -5000, 200), stats{
			runs: 3, ok: 2, median: 150, least: 100, most: 200, cpu: 15, memory: 200 * 1024, perMinute: 300, build: 150, slowest: 1, builds: 3, failed: 1, faults: 1,
		}},
		{"several processes", several, stats{
			runs: 1, cpu: 20, memory: 3 * 1024, perMinute: 180, build: 400, slowest: 2.5, builds: 4, failed: 1, faults: 1,
		}},
		{"nothing", result{}, stats{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, of(tt.in), cmp.AllowUnexported(stats{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRatio(t *testing.T) {
	for _, tt := range []struct {
		name string
		a, b stats
		want float64
	}{
		{"medians", stats{runs: 2, builds: 2, ok: 2, median: 100}, stats{runs: 2, builds: 2, ok: 1, median: 250}, 2.5},
		{"no success", stats{runs: 2, builds: 2, ok: 2, median: 100}, stats{runs: 2, builds: 2}, math.NaN()},
		{"no run", stats{}, stats{runs: 1, builds: 1, ok: 1, median: 100}, math.NaN()},
		{"several: by builds a minute, failures count", stats{runs: 1, builds: 50, perMinute: 600, median: 1}, stats{runs: 1, builds: 50, perMinute: 200, median: 9}, 3},
		{"several: all failed", stats{runs: 1, builds: 50, perMinute: 600}, stats{runs: 1, builds: 50}, math.NaN()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ratio(tt.a, tt.b); got != tt.want && (!math.IsNaN(got) || !math.IsNaN(tt.want)) {
				t.Errorf("ratio %v, want %v", got, tt.want)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	r := row{goals: []goal{{against: buildx, faster: 2.5}, {against: buildctl, within: 1.3}}}
	ok := func(median float64) stats { return stats{runs: 1, builds: 1, ok: 1, median: median} }
	for _, tt := range []struct {
		name string
		row  row
		in   map[string]stats
		want []bool
	}{
		{"both reached, just", r, map[string]stats{"slipway": ok(100), "buildx": ok(250), "buildctl": ok(77)}, []bool{true, true}},
		{"both missed, just", r, map[string]stats{"slipway": ok(100), "buildx": ok(249), "buildctl": ok(76)}, []bool{false, false}},
		{"no figure reaches nothing", r, map[string]stats{"buildx": ok(250), "buildctl": ok(77)}, []bool{false, false}},
		{"no peer proves nothing", r, map[string]stats{"slipway": ok(100)}, []bool{false, false}},
		{"agents at once", row{atOnce: 9, goals: r.goals[:1]}, map[string]stats{
			"slipway": {runs: 1, ok: 1, builds: 9, perMinute: 50, slowest: 3},
			"buildx":  {runs: 1, ok: 1, builds: 9, perMinute: 20},
		}, []bool{true, true, true}},
		{"agents at once, one slow and one failed", row{atOnce: 9, goals: r.goals[:1]}, map[string]stats{
			"slipway": {runs: 2, ok: 1, builds: 18, failed: 1, faults: 1, perMinute: 50, slowest: 3.1},
			"buildx":  {runs: 2, ok: 2, builds: 18, perMinute: 20},
		}, []bool{true, false, false}},
		{"a failed warm-up is a failure", row{atOnce: 9, goals: r.goals[:1]}, map[string]stats{
			"slipway": {runs: 1, ok: 1, builds: 9, faults: 1, perMinute: 50, slowest: 1},
			"buildx":  {runs: 1, ok: 1, builds: 9, perMinute: 20},
		}, []bool{true, true, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []bool
			for _, v := range judge(tt.row, tt.in) {
				got = append(got, v.reached)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAdd(t *testing.T) {
	var r result
	good := sample.Round{Processes: []sample.Process{{WallMS: 1}}}
	bad := sample.Round{Processes: []sample.Process{{WallMS: 1}, {Failure: "exit status 1"}, {Failure: "killed"}}}
	r.add(bad, nil, -1)
	r.add(good, nil, 0)
	r.add(bad, nil, 1)
	if r.gaveUp() {
		t.Error("gave up after one failure in a row")
	}
	r.add(sample.Round{}, errors.New("no pod"), 2)
	if !r.gaveUp() {
		t.Error("goes on after two failures in a row")
	}
	want := []string{
		"warm-up, agent 2: exit status 1", "warm-up, agent 3: killed",
		"run 2, agent 2: exit status 1", "run 2, agent 3: killed",
		"run 3: not measured: no pod",
	}
	if diff := cmp.Diff(want, r.failures); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if len(r.rounds) != 2 {
		t.Errorf("%d rounds count, want 2: neither the warm-up nor the one that was not measured", len(r.rounds))
	}
}

func TestOrder(t *testing.T) {
	first := map[int]int{}
	for run := range 6 {
		turns := order(3, run)
		first[turns[0]]++
		seen := map[int]bool{}
		for _, turn := range turns {
			seen[turn] = true
		}
		if len(turns) != 3 || len(seen) != 3 {
			t.Errorf("run %d: %v", run, turns)
		}
	}
	if diff := cmp.Diff(map[int]int{0: 2, 1: 2, 2: 2}, first); diff != "" {
		t.Errorf("who begins how often (-want +got):\n%s", diff)
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{7}, 7}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 2}, 2}} {
		if got := median(tt.in); got != tt.want {
			t.Errorf("median of %v: %v, want %v", tt.in, got, tt.want)
		}
	}
}
