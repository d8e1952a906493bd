package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

func TestJudgeAttempts(t *testing.T) {
	good := attempt{transport: configmap.TransportPortForward, speed: buildkit.Speed{Latency: 1500000, Rate: 80e6}}
	bad := attempt{transport: configmap.TransportDirect, err: &fault.Usage{Flag: "direct", Problem: "blocked", Hint: "open it"}}
	slow := attempt{transport: configmap.TransportDirect, slow: "took longer than 3s"}
	half := attempt{transport: configmap.TransportDirect, slow: "took longer than 3s", speed: buildkit.Speed{Latency: 2e9}}
	for _, tt := range []struct {
		name     string
		attempts []attempt
		verdict  Verdict
		words    string
	}{
		{"the only one", []attempt{good}, VerdictOK, "pod p: portforward: latency 1.5ms, 80MB/s"},
		{"not the fastest", []attempt{bad, good}, VerdictWarning, "direct: direct: blocked; portforward: latency"},
		{"a slow one fails", []attempt{good, bad}, VerdictOK, "blocked"},
		{"none", []attempt{bad, bad}, VerdictFailed, "blocked"},
		{"none but a slow one", []attempt{bad, slow}, VerdictWarning, "direct: slow: took longer than 3s"},
		{"the fastest is slow", []attempt{slow, good}, VerdictWarning, "direct: slow: took longer than 3s; portforward: latency"},
		{"slow after its first answers", []attempt{half}, VerdictWarning, "direct: slow: latency 2s, the rest took longer than 3s"},
		{"another one is slow", []attempt{good, slow}, VerdictOK, "slow"},
	} {
		got := judgeAttempts("p", tt.attempts, true)
		if got.verdict != tt.verdict || !strings.Contains(got.detail, tt.words) {
			t.Errorf("%s: %+v", tt.name, got)
		}
		if tt.attempts[0].slow != "" {
			if got.verdict != VerdictOK && !slices.Equal(got.hints, slowHints()) {
				t.Errorf("%s: hints %q", tt.name, got.hints)
			}
			continue
		}
		if hinted := slices.Equal(got.hints, []string{"open it"}); hinted != (tt.verdict != VerdictOK) {
			t.Errorf("%s: hints %q", tt.name, got.hints)
		}
	}
}

// TestNothingHasAnswered has transports of which none has got an answer in its time.
func TestNothingHasAnswered(t *testing.T) {
	slow := attempt{transport: configmap.TransportDirect, slow: "took longer than 3s"}
	bad := attempt{transport: configmap.TransportDirect, err: &fault.Usage{Flag: "direct", Problem: "blocked", Hint: "open it"}}
	for name, tt := range map[string]struct {
		attempts []attempt
		detail   string
		first    string // of the hints
	}{
		"one":               {[]attempt{slow}, "direct: slow: took longer than 3s", slowHints()[0]},
		"all":               {[]attempt{slow, slow}, "direct: slow: took longer than 3s; direct: slow: took longer than 3s", slowHints()[0]},
		"the first blocked": {[]attempt{bad, slow}, "direct: direct: blocked; direct: slow: took longer than 3s", "open it"},
	} {
		got := judgeAttempts("p", tt.attempts, false)
		if got.verdict != VerdictFailed || got.class != fault.ClassCluster || got.detail != "buildkitd did not answer in time: pod p: "+tt.detail {
			t.Errorf("%s: %+v", name, got)
		}
		if got.hints[0] != tt.first || !strings.Contains(strings.Join(got.hints, "\n"), "--slower") {
			t.Errorf("%s: hints %q", name, got.hints)
		}
	}
}

// TestSlowIsNotCancelled: what has not ended in its time is told as slow.
func TestSlowIsNotCancelled(t *testing.T) {
	p := &target{doctor: &Doctor{}}
	over, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	late := p.try(over, func(ctx context.Context) (buildkit.Speed, error) {
		return buildkit.Speed{Latency: time.Second}, fmt.Errorf("ask: %w", ctx.Err())
	})
	if late.err != nil || !strings.HasPrefix(late.slow, "took longer than 6s") || late.speed.Latency != time.Second {
		t.Errorf("out of time: %+v", late)
	}
	// The daemon knows the deadline, and may say so before the agent's own is over.
	ahead := p.try(t.Context(), func(context.Context) (buildkit.Speed, error) {
		return buildkit.Speed{}, errors.Join(fmt.Errorf("measure: %w", status.Error(codes.DeadlineExceeded, "context deadline exceeded")), nil)
	})
	if ahead.err != nil || !strings.HasPrefix(ahead.slow, "took longer than 6s") {
		t.Errorf("the daemon was first to be out of time: %+v", ahead)
	}
	// A dial that has waited in vain says for what.
	blocked := p.try(t.Context(), func(context.Context) (buildkit.Speed, error) {
		return buildkit.Speed{}, &kube.Error{Reason: kube.ReasonBlocked, Message: "no answer", Cause: context.DeadlineExceeded}
	})
	if blocked.err == nil || blocked.slow != "" {
		t.Errorf("a port that is blocked: %+v", blocked)
	}
	broken := p.try(over, func(context.Context) (buildkit.Speed, error) { return buildkit.Speed{}, errors.New("refused") })
	if broken.err == nil || broken.slow != "" {
		t.Errorf("another error: %+v", broken)
	}

	v := &probeRun{probe: probe{name: "x", limit: time.Nanosecond, check: func(ctx context.Context, _ *target) answer {
		<-ctx.Done()
		return doubt(fmt.Errorf("the build was cancelled: %w", ctx.Err()))
	}}, at: p}
	if c := v.run(t.Context()); c.Verdict != VerdictWarning || !strings.HasPrefix(c.Detail, "took longer than ") || strings.Contains(c.Detail, "cancelled") {
		t.Errorf("a late probe: %+v", c)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if c := v.run(stopped); c.Verdict != VerdictSkipped || c.Detail != "because the doctor was stopped" {
		t.Errorf("a probe of a doctor that was stopped: %+v", c)
	}
	if p.doctor.Slower = 3; p.doctor.limit(time.Second) != 3*time.Second {
		t.Errorf("three times slower: %s", p.doctor.limit(time.Second))
	}
}

func TestReady(t *testing.T) {
	ok, skip := Check{Probe: "definition", Verdict: VerdictOK}, Check{Probe: "quota", About: "a", Verdict: VerdictSkipped}
	drift, clock := Check{Probe: "drift", About: "a", Verdict: VerdictWarning}, Check{Probe: "clock", Verdict: VerdictWarning}
	for want, checks := range map[string][]Check{
		"ready to build": {ok, skip},
		"ready to build, with a warning: drift of a":         {ok, drift, skip},
		"ready to build, with 2 warnings: drift of a, clock": {ok, drift, clock},
	} {
		if got := Ready(checks); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	failed := Check{Probe: "rights", About: "a", Verdict: VerdictFailed, class: fault.ClassCluster}
	if err := failure([]Check{ok, drift, failed, {Probe: "registry", Verdict: VerdictFailed, class: fault.ClassRegistry}}, ""); fault.ClassOf(err) != fault.ClassCluster || err.Error() != "not ready to build: rights of a, registry failed, of 4 checks" {
		t.Errorf("failures: %v", err)
	}
}

// TestSummary has the check that programs get last, for every way in which checks end.
func TestSummary(t *testing.T) {
	ok, skip := Check{Probe: "definition", Verdict: VerdictOK}, Check{Probe: "quota", Verdict: VerdictSkipped}
	drift := Check{Probe: "drift", About: "a", Verdict: VerdictWarning}
	rights := Check{Probe: "rights", About: "a", Verdict: VerdictFailed, Roles: "kind: Role"}
	for _, tt := range []struct {
		checks []Check
		err    error
		want   Check
	}{
		{[]Check{ok, skip}, nil, Check{Verdict: VerdictOK, Detail: "ready to build"}},
		{[]Check{ok, drift}, nil, Check{Verdict: VerdictWarning, Detail: "ready to build, with a warning: drift of a"}},
		{[]Check{ok, skip}, failure([]Check{{Probe: "clock", Verdict: VerdictFailed}}, ""), Check{Verdict: VerdictFailed, Detail: "not ready to build: clock failed, of 1 checks"}},
		{[]Check{rights}, failure([]Check{rights}, "kind: Roles"), Check{Verdict: VerdictFailed, Detail: "not ready to build: rights of a failed, of 1 checks", Roles: "kind: Roles"}},
		{[]Check{skip}, fault.With(fault.ClassCancelled, context.Canceled), Check{Verdict: VerdictSkipped, Detail: "the doctor was stopped"}},
	} {
		tt.want.Probe = "summary"
		got := Summary(tt.checks, tt.err)
		if (tt.want.Roles != "") != (len(got.Hints) > 0) {
			t.Errorf("%+v: hints %q", tt.checks, got.Hints)
		}
		got.Hints = nil
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(Check{})); diff != "" {
			t.Errorf("%+v, %v (-want +got):\n%s", tt.checks, tt.err, diff)
		}
	}
}

func TestBusyWords(t *testing.T) {
	for load, want := range map[string]string{
		"45.31 20.10 9.80 3/900 12": "; the cluster node of this agent is busy: load 45 on 2 cores",
		"3.90 2.00 1.00 1/200 12":   "",
		"":                          "",
	} {
		if got := busyWords(load, 2); got != want {
			t.Errorf("%q: %q, want %q", load, got, want)
		}
	}
}

func TestJudgeVersion(t *testing.T) {
	const (
		files   = "CVE-2026-33747, CVE-2026-33748"
		sandbox = "CVE-2026-61711, CVE-2026-61712"
	)
	for version, want := range map[string]struct {
		verdict Verdict
		detail  string
	}{
		"v0.34.2":     {VerdictOK, "v0.34.2 for "},
		"v0.31.1":     {VerdictOK, "v0.31.1 for "},
		"v0.31.0":     {VerdictWarning, "v0.31.0 has known faults: " + sandbox},
		"v0.28.1":     {VerdictWarning, "v0.28.1 has known faults: " + sandbox},
		"v0.28.0":     {VerdictWarning, "v0.28.0 has known faults: " + files + ", " + sandbox},
		"v0.28.1-rc1": {VerdictWarning, "v0.28.1-rc1 has known faults: " + files + ", " + sandbox},
		"":            {VerdictWarning, `version "", of which no advisories are known here`},
	} {
		got := judgeVersion(builder{version: version})
		if got.verdict != want.verdict || !strings.HasPrefix(got.detail, want.detail) {
			t.Errorf("%s: %+v, want %+v", version, got, want)
		}
		if old := strings.Contains(got.detail, "known faults"); old != strings.Contains(strings.Join(got.hints, ""), "v0.31.1 or later") {
			t.Errorf("%s: %+v", version, got)
		}
	}
}

// TestTheTableIsInOrder: a probe can wait for earlier ones only.
func TestTheTableIsInOrder(t *testing.T) {
	var known []string
	for _, p := range probes() {
		for _, n := range p.needs {
			if !slices.Contains(known, n) {
				t.Errorf("%s needs %s, which is not before it", p.name, n)
			}
		}
		if p.limit <= 0 || p.check == nil {
			t.Errorf("%s has no limit or does not look", p.name)
		}
		known = append(known, p.name)
	}
}

// TestPlanOfTwoClusters: a node depends on the cluster of its own identity.
func TestPlanOfTwoClusters(t *testing.T) {
	d := &Doctor{}
	definition := configmap.Definition{Nodes: []configmap.Node{
		{Name: "a", Kubernetes: &configmap.Kubernetes{}},
		{Name: "b", Kubernetes: &configmap.Kubernetes{Kubeconfig: "/other"}},
		{Name: "c", Remote: &configmap.Remote{}},
	}}
	found := map[string]string{}
	for _, v := range d.plan(definition, nil) {
		c := Check{Probe: v.probe.name, About: v.at.name}
		var needs []string
		for _, n := range v.needs {
			needs = append(needs, Check{Probe: n.probe.name, About: n.at.name}.name())
		}
		found[c.name()] = strings.Join(needs, ", ")
	}
	for name, want := range map[string]string{
		"identity":           "",
		"identity of /other": "",
		"rights of a":        "definition, API server",
		"rights of b":        "definition, API server of /other",
		"transport of a":     "definition, pods of a",
		"transport of c":     "definition",
	} {
		if got, planned := found[name]; !planned || got != want {
			t.Errorf("%s: planned %t, needs %q, want %q", name, planned, got, want)
		}
	}
	if _, planned := found["rights of c"]; planned {
		t.Error("rights in a cluster for a node that is in none")
	}
}

func TestAFailureSkipsWhatNeedsIt(t *testing.T) {
	broken := errors.New("broken")
	d := Doctor{Definition: func() (configmap.Definition, error) { return configmap.Definition{}, broken }, Workspace: t.TempDir()}
	d.Access.Kubeconfig = t.TempDir() + "/none"
	checks, err := d.Run(context.Background())
	if fault.ClassOf(err) != fault.ClassUsage {
		t.Errorf("error %v, want that of the definition", err)
	}
	verdicts := map[string]Verdict{}
	for _, c := range checks {
		verdicts[c.Probe] = c.Verdict
	}
	for probe, want := range map[string]Verdict{
		"definition": VerdictFailed, "identity": VerdictFailed, "API server": VerdictSkipped,
		"rights": VerdictSkipped, "cache": VerdictSkipped,
	} {
		if got := verdicts[probe]; got != want {
			t.Errorf("%s: %s, want %s", probe, got, want)
		}
	}
}
