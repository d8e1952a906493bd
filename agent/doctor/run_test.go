package doctor

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/judge"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// TestRunOfARemoteBuilder has a builder that answers and one that does not, which
// takes no cluster.
func TestRunOfARemoteBuilder(t *testing.T) {
	address := (&fleettest.Daemon{Cache: []int64{1000, 2000}}).Listen(t)
	definition := configmap.Definition{Name: "far", File: "far.json", Driver: "remote", Nodes: []configmap.Node{
		{Name: "good", Remote: &configmap.Remote{Address: address, Timeout: shortLimit}},
		{Name: "gone", Remote: &configmap.Remote{Address: "unix:///nowhere", Timeout: shortLimit}},
	}}
	d := Doctor{Definition: func() (configmap.Definition, error) { return definition, nil }, Workspace: t.TempDir(), Log: zerolog.Nop()}
	checks, err := d.Run(t.Context())
	if fault.ClassOf(err) != fault.ClassCluster || err.Error() != "not ready to build: transport of gone failed, of 8 checks" {
		t.Errorf("error %v", err)
	}
	type row struct {
		Name    string
		Verdict Verdict
		Words   string
	}
	var got []row
	details := map[string]string{}
	for _, c := range checks {
		if c.Probe == "workspace" { // the machine's own disk
			continue
		}
		got = append(got, row{c.name(), c.Verdict, ""})
		details[c.name()] = c.Detail
	}
	want := []row{
		{"definition", VerdictOK, ""},
		{"transport of good", VerdictOK, ""}, {"transport of gone", VerdictFailed, ""},
		{"BuildKit of good", VerdictOK, ""}, {"BuildKit of gone", VerdictSkipped, ""},
		{"cache of good", VerdictOK, ""}, {"cache of gone", VerdictSkipped, ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	for name, words := range map[string]string{
		"definition":        `builder "far" in far.json, driver remote, nodes good, gone`,
		"transport of good": address + ": latency ",
		"transport of gone": "node gone: connect to unix:///nowhere: ",
		"BuildKit of good":  "v0.33.1 for linux/amd64",
		"BuildKit of gone":  "because of: transport of gone",
		"cache of good":     "3kB in the builder, 0B of it in use",
	} {
		if !strings.Contains(details[name], words) {
			t.Errorf("%s: %q, want %q", name, details[name], words)
		}
	}
}

// TestProbesOfANode has what the probes say of what earlier ones have found.
func TestProbesOfANode(t *testing.T) {
	ready := cluster.Status{Exists: true, Replicas: 1, Usable: []kube.Pod{{Name: "a"}}, Pods: []cluster.PodStatus{{Name: "a", Ready: true, Running: true}}}
	starting := cluster.Status{Exists: true, Replicas: 1}
	imagePull := &kube.Error{Reason: kube.ReasonImage}
	for _, tt := range []struct {
		name    string
		check   string
		at      target
		verdict Verdict
		words   string
	}{
		{"image of a pod that runs", "image", target{status: ready}, VerdictOK, "buildkit:1 runs"},
		{"image without a workload", "image", target{}, VerdictSkipped, "not known before a pod wants it"},
		{"image that cannot be pulled", "image", target{status: starting, trouble: judge.Trouble{Err: imagePull}}, VerdictFailed, ""},
		{"image of which nobody knows", "image", target{status: starting, troubleErr: errors.New("no right to")}, VerdictFailed, "no right to"},
		{"image without trouble", "image", target{status: starting}, VerdictOK, "no trouble with buildkit:1"},
		{"pods that run", "pods", target{status: ready}, VerdictOK, "0 of 1 ready"},
		{"pods that run and are frail", "pods", target{status: frailStatus(ready)}, VerdictWarning, "ended for want of memory"},
		{"pods without a workload", "pods", target{}, VerdictWarning, "does not exist yet; the first build makes it"},
		{"pods that sleep", "pods", target{status: cluster.Status{Exists: true}}, VerdictWarning, "is scaled to zero"},
		{"pods whose image cannot be pulled", "pods", target{status: starting, trouble: judge.Trouble{Err: imagePull}}, VerdictSkipped, "because of: image of n"},
		{"pods that may come", "pods", target{status: starting, trouble: judge.Trouble{Err: errors.New("no room"), MayHeal: true}}, VerdictWarning, "no room"},
		{"pods that do not come", "pods", target{status: starting, trouble: judge.Trouble{Err: errors.New("crash")}}, VerdictFailed, "crash"},
		{"pods of which nobody knows", "pods", target{status: starting, troubleErr: errors.New("no right to")}, VerdictFailed, "no right to"},
		{"pods that are about to come", "pods", target{status: starting, trouble: judge.Trouble{Waiting: "pulling"}}, VerdictWarning, "none is ready yet: pulling"},
		{"certificates without a listener", "certificates", target{status: ready}, VerdictSkipped, "no pod of n that is ready takes TLS connections"},
		{"transport without a pod", "transport", target{status: starting}, VerdictSkipped, "no pod of n is ready"},
		{"clock that agrees", "clock", target{server: cluster.Server{Behind: time.Second}}, VerdictOK, "agrees"},
		{"clock that is behind", "clock", target{server: cluster.Server{Behind: time.Hour}}, VerdictWarning, "1h0m0s behind that of the API server"},
		{"clock that is ahead", "clock", target{server: cluster.Server{Behind: -time.Hour}}, VerdictWarning, "1h0m0s ahead of that of the API server"},
		{"definition with warnings", "definition", target{definition: configmap.Definition{Name: "kube", Warnings: []string{"say x"}}}, VerdictWarning, "spellings that should be mended"},
		{"definition that is broken", "definition", target{broken: errors.New("no definition")}, VerdictFailed, "no definition"},
		{"BuildKit that has told nothing", "BuildKit", target{}, VerdictSkipped, "because buildkitd did not answer in time"},
		{"BuildKit that has answered", "BuildKit", target{builder: builder{answered: true, version: "v0.33.1", platforms: "linux/amd64"}}, VerdictOK, "v0.33.1 for linux/amd64"},
		{"cache that cannot be listed", "cache", target{builder: builder{cacheErr: errors.New("no answer")}}, VerdictWarning, "no answer"},
		{"cache for which no time was left", "cache", target{builder: builder{cacheErr: &buildkit.CancelledError{Cause: context.DeadlineExceeded}}}, VerdictWarning, "its size is not known: buildkitd did not answer in the time that was left"},
		{"cache that nobody asked for", "cache", target{}, VerdictSkipped, "no connection was fast enough"},
	} {
		at := tt.at
		at.name, at.doctor = "n", &Doctor{Log: zerolog.Nop()}
		at.node = configmap.Node{Name: "n", Kubernetes: &configmap.Kubernetes{Image: "buildkit:1"}}
		for _, p := range probes() {
			if p.name != tt.check {
				continue
			}
			if got := p.check(t.Context(), &at); got.verdict != tt.verdict || !strings.Contains(got.detail, tt.words) {
				t.Errorf("%s: %+v, want %s with %q", tt.name, got, tt.verdict, tt.words)
			}
		}
	}
}

// frailStatus is s with a pod that was ended for want of memory.
func frailStatus(s cluster.Status) cluster.Status {
	s.Pods = []cluster.PodStatus{{Name: "a", Ready: true, Running: true, OutOfMemory: time.Unix(1, 0)}}
	return s
}

// TestRemoteAttempts has what a remote builder's only transport comes to.
func TestRemoteAttempts(t *testing.T) {
	for _, tt := range []struct {
		w       attempt
		verdict Verdict
	}{
		{attempt{}, VerdictOK},
		{attempt{slow: "took longer than 6s"}, VerdictWarning},
		{attempt{err: errors.New("refused")}, VerdictFailed},
	} {
		if got := judgeRemote("tcp://b:1", tt.w); got.verdict != tt.verdict || !strings.HasPrefix(got.detail, "tcp://b:1: ") && tt.w.err == nil {
			t.Errorf("%v: %+v", tt.w, got)
		}
	}
	if got := transportsOf(configmap.TransportExec); len(got) != 1 || got[0] != configmap.TransportExec {
		t.Errorf("asked for exec, it tries %v", got)
	}
	if got := transportsOf(""); len(got) != 3 || got[0] != configmap.TransportDirect {
		t.Errorf("it tries %v", got)
	}
}

// TestJudgements has what the probes say of cluster nodes, quotas and drift.
func TestJudgements(t *testing.T) {
	one := cluster.Places{Fit: []string{"a"}, Unfit: []string{"b: cordoned"}, Native: true}
	for _, tt := range []struct {
		name    string
		got     answer
		verdict Verdict
		detail  string
	}{
		{"claims", judgePlaces(one, []string{"linux/amd64", "linux/386"}), VerdictOK, "1 of 2 take its pods for linux/amd64, linux/386: a"},
		{"no claims", judgePlaces(one, nil), VerdictOK, "1 of 2 take its pods: a"},
		{"none, no claims", judgePlaces(cluster.Places{Unfit: []string{"b: cordoned"}}, nil), VerdictWarning, "no cluster node takes its pods: b: cordoned"},
		{"none", judgePlaces(cluster.Places{Unfit: []string{"b: cordoned"}}, []string{"linux/arm64"}), VerdictWarning, "no cluster node takes its pods for linux/arm64: b: cordoned"},
		{"foreign", judgePlaces(cluster.Places{Fit: []string{"a"}}, []string{"linux/arm64"}), VerdictWarning, "none of the cluster nodes that take its pods is natively of linux/arm64: a"},
		{"no drift", judgeDrift(cluster.Drift{}), VerdictOK, "the workload is as the definition says"},
		{"no drift that is seen", judgeDrift(cluster.Drift{Partial: "without the right to update deployments"}), VerdictSkipped, "the workload cannot be compared fully without the right to update deployments; what could be compared is as the definition says"},
		{"drift", judgeDrift(cluster.Drift{Lines: []string{"a", "b"}}), VerdictWarning, "a\nb"},
		{"drift and what is not seen", judgeDrift(cluster.Drift{Lines: []string{"a"}, Partial: "without the right to update deployments"}), VerdictWarning, "a\nmore may differ: it cannot be compared fully without the right to update deployments"},
		{"no quota", judgeQuota(cluster.Quota{}, "ci", false), VerdictOK, "namespace ci has none"},
		{"room", judgeQuota(cluster.Quota{Quotas: 1}, "ci", false), VerdictOK, "room for one more pod in namespace ci (quotas: 1)"},
		{"scopes", judgeQuota(cluster.Quota{Quotas: 2, Scoped: 1}, "ci", false), VerdictOK, "room for one more pod in namespace ci (quotas: 2, of which 1 with scopes, not looked at)"},
		{"no room", judgeQuota(cluster.Quota{Quotas: 1, Exceeded: []string{"pods: 1 wanted"}}, "ci", false), VerdictFailed, "pods: 1 wanted"},
		{"no room for another", judgeQuota(cluster.Quota{Quotas: 1, Exceeded: []string{"pods: 1 wanted"}}, "ci", true), VerdictWarning, "no room for one more pod: pods: 1 wanted"},
	} {
		if tt.got.verdict != tt.verdict || tt.got.detail != tt.detail {
			t.Errorf("%s: %+v, want %s: %s", tt.name, tt.got, tt.verdict, tt.detail)
		}
	}
}

// told collects what a doctor reports.
type told struct {
	planned, reported []string
	// first is closed with the first report.
	first chan struct{}
}

func (r *told) Plan(checks []Check) {
	for _, c := range checks {
		r.planned = append(r.planned, c.name())
	}
}

func (r *told) Report(c Check) {
	if len(r.reported) == 0 {
		close(r.first)
	}
	r.reported = append(r.reported, c.name())
}

// TestChecksAreReportedAsTheyEnd has a builder that answers only after the
// first check was reported.
func TestChecksAreReportedAsTheyEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "buildkitd.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	r := &told{first: make(chan struct{})}
	early := make(chan bool, 1)
	var serving sync.WaitGroup
	serving.Go(fault.Protect(func() {
		conn, err := listener.Accept()
		if err != nil {
			early <- false
			return
		}
		defer conn.Close()
		wait := time.NewTimer(4 * time.Second)
		defer wait.Stop()
		select {
		case <-r.first:
			early <- true
		case <-wait.C:
			early <- false
		}
	}))
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	definition := configmap.Definition{Name: "far", Driver: "remote", Nodes: []configmap.Node{
		{Name: "mute", Remote: &configmap.Remote{Address: "unix://" + path, Timeout: shortLimit}},
	}}
	d := Doctor{Definition: func() (configmap.Definition, error) { return definition, nil }, Workspace: t.TempDir(), Reporter: r, Log: zerolog.Nop()}
	checks, err := d.Run(t.Context())
	if err == nil {
		t.Error("nothing answers, and no check failed")
	}
	if !<-early {
		t.Error("the first check was not reported before the others had ended")
	}
	var all []string
	for _, c := range checks {
		all = append(all, c.name())
	}
	if diff := cmp.Diff([][]string{all, all}, [][]string{r.planned, r.reported}); diff != "" {
		t.Errorf("planned and reported (-want +got):\n%s", diff)
	}
}
