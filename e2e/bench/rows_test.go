package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var somewhere = place{Layout: "/opt/base", Tag: "latest", Digest: "sha256:1234", Daemon: "10.0.0.1:1234"}

func TestCommands(t *testing.T) {
	plain := build{builder: kube, platforms: twoNodes, context: "/builds/a", output: "type=local,dest=/bench/out"}
	based := build{builder: kube, platforms: oneNode, context: "/builds/a", base: true}
	for _, tt := range []struct {
		tool tool
		in   build
		want string
	}{
		{slipway, plain, "slipway build --progress=plain --builder=kube --platform=linux/amd64,linux/arm64 --output=type=local,dest=/bench/out /builds/a"},
		{buildx, plain, "buildx build --progress=plain --builder=kube --platform=linux/amd64,linux/arm64 --output=type=local,dest=/bench/out /builds/a"},
		{buildctl, plain, "buildctl --addr=tcp://10.0.0.1:1234 build --progress=plain --frontend=dockerfile.v0 --local=context=/builds/a --local=dockerfile=/builds/a --opt=platform=linux/amd64,linux/arm64 --output=type=local,dest=/bench/out"},
		{slipway, based, "slipway build --progress=plain --builder=kube --platform=linux/amd64 --output=type=cacheonly --build-context=base=oci-layout:///opt/base:latest /builds/a"},
		{buildctl, based, "buildctl --addr=tcp://10.0.0.1:1234 build --progress=plain --frontend=dockerfile.v0 --local=context=/builds/a --local=dockerfile=/builds/a --opt=platform=linux/amd64 --oci-layout=base=/opt/base --opt=context:base=oci-layout://base@sha256:1234"},
	} {
		if diff := cmp.Diff(tt.want, strings.Join(tt.tool.build(tt.in, somewhere), " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.tool.name, diff)
		}
	}
}

// everyRow is all that is ever measured, at both scales.
func everyRow() []row {
	var all []row
	for _, s := range []scale{full, quick} {
		all = append(all, rows(s)...)
		for _, c := range curves(s) {
			for _, p := range c.points {
				p.name = c.name
				all = append(all, p.row)
			}
		}
	}
	return all
}

func TestEveryRowIsFair(t *testing.T) {
	for _, r := range everyRow() {
		if r.name == "" || r.runs < 1 || r.work == nil || len(r.tools) < 2 || r.tools[0].name != slipway.name {
			t.Errorf("row %q: %d runs, %d tools", r.name, r.runs, len(r.tools))
			continue
		}
		// Both tools that have the same command line do word for word the same, but for
		// what is named after them.
		other := r.tools[1]
		if other.agent { // slipway itself, with an agent around it
			other = buildx
		}
		own, peer := r.work(0).command(slipway, somewhere), r.work(0).command(other, somewhere)
		for i := range peer {
			peer[i] = strings.ReplaceAll(peer[i], "/"+kaniko.name+"/", "/"+slipway.name+"/")
			peer[i] = strings.ReplaceAll(peer[i], "/"+kaniko.name+":", "/"+slipway.name+":")
			if peer[i] == buildx.name {
				peer[i] = slipway.name
			}
		}
		if diff := cmp.Diff(own[1:], peer[1:]); diff != "" {
			t.Errorf("row %q: slipway and %s differ:\n%s", r.name, other.name, diff)
		}
		for _, g := range r.goals {
			if bounds := slices.DeleteFunc([]float64{g.faster, g.within, g.atMost}, func(f float64) bool { return f == 0 }); len(bounds) != 1 || !slices.ContainsFunc(r.tools, func(t tool) bool { return t.name == g.against.name }) {
				t.Errorf("row %q: goal against %s: %v", r.name, g.against.name, bounds)
			}
		}
		if len(own) > 2 && r.work(0).check == "" {
			t.Errorf("row %q: nobody looks at what the build made", r.name)
		}
		for _, t2 := range r.tools {
			if t2.bare && slices.Contains(own, "--platform="+twoNodes) {
				t.Errorf("row %q: a bare daemon is one node", r.name)
			}
		}
	}
}

func TestNamesOfRowsDiffer(t *testing.T) {
	for _, s := range []scale{full, quick} {
		seen := map[string]bool{}
		for _, r := range rows(s) {
			if seen[r.name] {
				t.Errorf("two rows %q", r.name)
			}
			seen[r.name] = true
		}
	}
}

func TestFreshClones(t *testing.T) {
	seed := regexp.MustCompile(`-seed (\d+)`)
	commit := regexp.MustCompile(`echo (.*) > \S*/commit.txt`)
	dir := regexp.MustCompile(`tree -dir (\S+)`)
	for _, tt := range []struct {
		row                                row
		freshPath, newCommit, newContent   bool
		prunedFirst, prunedLater, freshPod bool
	}{
		{row: changedFile(full), freshPath: true, newCommit: true, prunedFirst: true, freshPod: true},
		{row: changedFileMounted(full), freshPath: true, newCommit: true, prunedFirst: true, freshPod: true},
		{row: unchangedFiles(full), freshPath: true, prunedFirst: true, freshPod: true},
		{row: firstUpload(full), newCommit: true, newContent: true, prunedFirst: true, prunedLater: true, freshPod: true},
	} {
		a, b := tt.row.work(0), tt.row.work(1)
		differs := func(what string, re *regexp.Regexp, want bool) {
			t.Helper()
			x, y := re.FindStringSubmatch(a.before), re.FindStringSubmatch(b.before)
			if x == nil || y == nil || (x[1] != y[1]) != want {
				t.Errorf("row %q: %s of two runs: %v and %v, want them to differ: %v", tt.row.name, what, x, y, want)
			}
		}
		differs("path", dir, tt.freshPath)
		differs("commit", commit, tt.newCommit)
		differs("content", seed, tt.newContent)
		if a.prune != tt.prunedFirst || b.prune != tt.prunedLater || tt.row.fresh != tt.freshPod {
			t.Errorf("row %q: pruned %v and %v, fresh %v", tt.row.name, a.prune, b.prune, tt.row.fresh)
		}
	}
}

func TestChosen(t *testing.T) {
	for _, tt := range []struct {
		expression           string
		curves               bool
		wantRows, wantCurves int
	}{
		{"", false, len(rows(full)), 0},
		{"", true, len(rows(full)), len(curves(full))},
		{"^warm", false, 3, 0},
		{"^curve: agents", true, 0, 1},
		{"^curve: files", true, 0, 1},
		{"^curve: nodes", true, 0, 1},
		{"definitions", true, 0, 1},
		{"definitions", false, 0, 0},
		{"^curve", false, 0, 0},
		{"nothing like it", true, 0, 0},
	} {
		gotRows, gotCurves := options{curves: tt.curves, rows: regexp.MustCompile(tt.expression)}.chosen()
		if len(gotRows) != tt.wantRows || len(gotCurves) != tt.wantCurves {
			t.Errorf("%q, curves %v: %d rows and %d curves, want %d and %d", tt.expression, tt.curves, len(gotRows), len(gotCurves), tt.wantRows, tt.wantCurves)
		}
	}
}

func TestScaleOfOptions(t *testing.T) {
	got := options{light: 7, cold: 2, idle: time.Second}.scale()
	want := full
	want.light, want.cold, want.idle = 7, 2, time.Second
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(scale{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := (options{quick: true}).scale(); got.big != quick.big || got.light != quick.light {
		t.Errorf("quick: %+v", got)
	}
}

func TestTimed(t *testing.T) {
	got := timed("agent-1", row{atOnce: 50}, work{before: "mkdir /x", env: []string{"A=1", "B={n}"}, check: "cmp a b"}, []string{"slipway", "build", "/x"})
	want := []string{"exec", "agent-1", "--", "timer", "-timeout=5m0s", "-at-once=50", "-before=mkdir /x", "-check=cmp a b", "-env=A=1", "-env=B={n}", "--", "slipway", "build", "/x"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		in   size
		want string
	}{{gib, "1 GiB"}, {500 * mb, "500 MB"}, {32 * mib, "32 MiB"}, {10 * kb, "10 kB"}, {1500, "1500 bytes"}} {
		if got := tt.in.String(); got != tt.want {
			t.Errorf("%d bytes: %q, want %q", int64(tt.in), got, tt.want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 100_000: "100,000", 1_234_567: "1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	for ms, want := range map[float64]string{71.4: "71 ms", 1234: "1.23 s", 31_460: "31.5 s"} {
		if got := milliseconds(ms); got != want {
			t.Errorf("%v ms: %q, want %q", ms, got, want)
		}
	}
}
