package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJudgeSidecar(t *testing.T) {
	r := row{goals: []goal{{against: sidecar, atMost: 1.1}}, agentMemory: 80 * mb}
	for _, tt := range []struct {
		name         string
		took, memory float64
		want         []verdict
	}{
		{"near and small", 1099, 79e6, []verdict{{"sidecar within 1.1x of slipway", true}, {"memory of the agent 79 MB, at most 80 MB", true}}},
		{"far and large", 1101, 81e6, []verdict{{"sidecar within 1.1x of slipway", false}, {"memory of the agent 81 MB, at most 80 MB", false}}},
		{"unknown memory", 1000, 0, []verdict{{"sidecar within 1.1x of slipway", true}, {"memory of the agent 0 MB, at most 80 MB", false}}},
	} {
		got := judge(r, map[string]stats{"slipway": {runs: 1, ok: 1, median: 1000}, "sidecar": {runs: 1, ok: 1, median: tt.took, agent: tt.memory}})
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(verdict{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestAfterCheckout tests that both jobs build the same after the same time, and that the
// agent's is not found by the other one.
func TestAfterCheckout(t *testing.T) {
	w := afterCheckout(full).work(0)
	own, agent := w.command(slipway, somewhere), w.command(sidecar, somewhere)
	if !w.cold || own[2] != `sleep 10; "$@"` || !strings.Contains(agent[2], `--agent /bench/cold cold < /dev/null > /bench/cold.log 2>&1 & agent=$!; sleep 10; SLIPWAY_AGENT=/bench/cold "$@"`) {
		t.Errorf("cold %v: %q and %q", w.cold, own[2], agent[2])
	}
	if diff := cmp.Diff(own[3:], agent[3:]); diff != "" {
		t.Errorf("the builds differ:\n%s", diff)
	}
}

func TestUsedBy(t *testing.T) {
	names := func(all []tool) (names []string) {
		for _, t := range all {
			names = append(names, t.name)
		}
		return names
	}
	for _, tt := range []struct {
		rows   []row
		curves []curve
		want   []string
	}{
		{nil, nil, []string{"slipway"}},
		{[]row{{tools: []tool{slipway, sidecar}}}, nil, []string{"slipway", "sidecar"}},
		{[]row{{tools: []tool{slipway, buildctl}}}, []curve{{points: []point{{row: row{tools: []tool{slipway, buildx}}}}}}, []string{"slipway", "buildx", "buildctl"}},
	} {
		if diff := cmp.Diff(tt.want, names(usedBy(tt.rows, tt.curves))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
