package doctor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

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
	if fault.ClassOf(err) != fault.ClassCluster || !strings.HasSuffix(err.Error(), "of 8 checks failed, first: transport of gone") {
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
		{"cache that cannot be listed", "cache", target{builder: builder{cacheErr: errors.New("no answer")}}, VerdictWarning, "no answer"},
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
