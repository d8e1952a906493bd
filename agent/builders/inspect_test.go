package builders

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/judge"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// inspectorOf returns an inspector of nodes by their names.
func inspectorOf(clusters map[string]*fleettest.Cluster) inspector {
	return inspector{
		client:    func(n configmap.Node) (inspected, error) { return clusters[n.Name], nil },
		connector: &fleet.Connector{Log: zerolog.Nop()},
		log:       zerolog.Nop(),
	}
}

func TestInspect(t *testing.T) {
	expiry := time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)
	ended := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	c := fleettest.NewCluster(t,
		fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{Active: 2, Ended: ended, Cache: []int64{10, 20}, Labels: map[string]string{"k": "v"}}},
		fleettest.Pod{Name: "b", Daemon: &fleettest.Daemon{}},
		fleettest.Pod{Name: "coming"},
		fleettest.Pod{Name: "mute", Daemon: &fleettest.Daemon{Active: -1}},
	)
	c.Fail = fails(map[string]error{"dial b": errors.New("refused by https://ci:s3cret@host/")})
	c.Lines, c.Expiry = []string{"image: a, not b"}, expiry
	unknown := fleettest.NewCluster(t)
	unknown.Fail = fails(map[string]error{"status": errors.New("no answer")})
	absent := fleettest.NewCluster(t)
	absent.Workload = cluster.Status{Kind: "Deployment", Namespace: "ci", Name: "absent"}
	absent.Fail = fails(map[string]error{"drift": errors.New("no right to"), "expiry": errors.New("not reached")})
	lost := fleettest.NewCluster(t, fleettest.Pod{Name: "only", Daemon: &fleettest.Daemon{}})
	lost.Fail = fails(map[string]error{"dial only": errors.New("blocked")})

	d := configmap.Definition{Name: "kube", Driver: "kubernetes", Nodes: []configmap.Node{
		kubeNode("n", 4), kubeNode("unknown", 1), kubeNode("absent", 1), kubeNode("lost", 1),
		remote(t, "far", &fleettest.Daemon{Version: "v0.30.0", Ended: ended.Add(-time.Hour), Platforms: []string{"linux/arm64"}}), kubeNode("partial", 1),
	}}
	partial := fleettest.NewCluster(t)
	partial.Partial = "without the right to update deployments"
	d.Nodes[0].Platforms = nil
	got, err := Inspect{Definition: d, Log: zerolog.Nop()}.run(t.Context(), inspectorOf(map[string]*fleettest.Cluster{"n": c, "unknown": unknown, "absent": absent, "lost": lost, "partial": partial}))
	if err != nil {
		t.Fatal(err)
	}
	gc := []GCRule{{All: true, ReservedSpace: 1 << 30}}
	want := NodeDetails{
		NodeStatus: NodeStatus{Name: "n", Endpoint: "ci/builder", Status: "running", Ready: 3, Desired: 4, Platforms: []string{"linux/amd64"}, BuildKit: "v0.33.1", Drifted: true},
		Reported:   []string{"linux/amd64"}, Labels: map[string]string{"k": "v"}, GC: gc,
		Workload: "Deployment", Managed: true, Drift: []string{"image: a, not b"}, Certificates: &expiry,
		Pods: []PodDetails{
			{Name: "a", Status: "ready", Transport: "direct", BuildKit: "v0.33.1", CacheSize: 30, CacheRecords: 2, ActiveBuilds: 2, LastActivity: &ended},
			{Name: "b", Status: "unreachable", Reason: "refused by https://xxxxx:xxxxx@host/"},
			{Name: "coming", Status: "running", Reason: "it is not ready yet"},
			{Name: "mute", Status: "unreachable", Transport: "direct", BuildKit: "v0.33.1"},
		},
	}
	n := got.Nodes[0]
	for i := range n.Pods {
		n.Pods[i].Created = nil
	}
	if reason := n.Pods[3].Reason; !strings.Contains(reason, "the history is broken") {
		t.Errorf("the pod that does not tell: %q", reason)
	}
	n.Pods[3].Reason = ""
	if diff := cmp.Diff(want, n); diff != "" {
		t.Errorf("node (-want +got):\n%s", diff)
	}
	if got.LastActivity == nil || !got.LastActivity.Equal(ended) {
		t.Errorf("the builder's last activity: %v", got.LastActivity)
	}
	if b := got.Buildx(d, nil, false); !b.LastActivity.Equal(ended) {
		t.Errorf("the last activity for buildx's templates: %v", b.LastActivity)
	}
	if n := got.Nodes[1]; n.Status != "unreachable" || n.Error != "no answer" {
		t.Errorf("no answer: %+v", n)
	}
	if n := got.Nodes[2]; n.Status != "absent" || n.Drift != nil || n.Certificates != nil || slices.Contains(absent.Calls(), "expiry") {
		t.Errorf("absent: %+v after %q", n, absent.Calls())
	}
	if n := got.Nodes[3]; n.Status != "unreachable" || n.Error != "blocked" || len(n.Drift) != 0 || n.Drift == nil {
		t.Errorf("no pod answers: %+v", n)
	}
	if n := got.Nodes[5]; n.Drift != nil || n.DriftPartial != "without the right to update deployments" {
		t.Errorf("not compared fully, it claims: %+v", n)
	}
	if n := got.Nodes[4]; n.Status != "running" || n.BuildKit != "v0.30.0" || !slices.Equal(n.Platforms, []string{"linux/arm64"}) || len(n.Pods) != 1 || n.Pods[0].Status != "ready" {
		t.Errorf("remote: %+v", n)
	}
	if c.Open() != 0 {
		t.Errorf("%d connections are not closed", c.Open())
	}
}

func TestList(t *testing.T) {
	running := fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}})
	starting := fleettest.NewCluster(t, fleettest.Pod{Name: "a"})
	pulling := fleettest.NewCluster(t, fleettest.Pod{Name: "a"})
	pulling.Wrong = judge.Trouble{Waiting: "pod a: pulling image", Err: errors.New("slow"), MayHeal: true}
	failing := fleettest.NewCluster(t, fleettest.Pod{Name: "a"})
	failing.Wrong = judge.Trouble{Waiting: "pod a", Err: &kube.Error{Reason: kube.ReasonImage, Message: "pod a: cannot pull image (ImagePullBackOff)", Advice: []string{"check image="}}}
	drifted := fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}})
	drifted.Lines = []string{"image"}
	forbidden := fleettest.NewCluster(t)
	forbidden.Fail = fails(map[string]error{"status": &kube.Error{Reason: kube.ReasonForbidden, Message: "may not", Advice: []string{"apply this:\nkind: Role"}}})
	stopped, absent, unreachable, broken := fleettest.NewCluster(t), fleettest.NewCluster(t), fleettest.NewCluster(t), fleettest.NewCluster(t)
	stopped.Workload = cluster.Status{Namespace: "ci", Name: "stopped", Exists: true}
	absent.Workload = cluster.Status{Namespace: "ci", Name: "absent"}
	unreachable.Fail = fails(map[string]error{"status": &unanswered{&kube.Error{Reason: kube.ReasonUnreachable}}})
	broken.Fail = fails(map[string]error{"status": errors.New("broken")})
	clusters := map[string]*fleettest.Cluster{"running": running, "starting": starting, "stopped": stopped, "absent": absent, "unreachable": unreachable, "broken": broken, "pulling": pulling, "failing": failing, "drifted": drifted, "forbidden": forbidden}
	var nodes []configmap.Node
	for _, name := range []string{"running", "starting", "stopped", "absent", "unreachable", "broken"} {
		nodes = append(nodes, kubeNode(name, 1))
	}
	gone := configmap.Node{Name: "gone", Remote: &configmap.Remote{Address: "unix:///nowhere/at/all", Timeout: time.Second}}
	nodes = append(nodes, remote(t, "far", &fleettest.Daemon{}), gone)
	for _, name := range []string{"pulling", "failing", "drifted", "forbidden"} {
		nodes = append(nodes, kubeNode(name, 1))
	}
	got, err := List{Definitions: []configmap.Definition{{Name: "kube", Nodes: nodes}}, Log: zerolog.Nop()}.run(t.Context(), inspectorOf(clusters))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []NodeStatus{
		{Name: "running", Endpoint: "ci/builder", Status: "running", Ready: 1, Desired: 1, Platforms: []string{"linux/amd64"}, BuildKit: "v0.33.1"},
		{Name: "starting", Endpoint: "ci/builder", Status: "starting", Desired: 1, Platforms: []string{}},
		{Name: "stopped", Endpoint: "ci/stopped", Status: "stopped", Platforms: []string{}},
		{Name: "absent", Endpoint: "ci/absent", Status: "absent", Platforms: []string{}},
		{Name: "unreachable", Status: "unreachable", Platforms: []string{}, Error: "no route", Hints: []string{"look at the network"}},
		{Name: "broken", Status: "unreachable", Platforms: []string{}, Error: "broken"},
		{Name: "far", Endpoint: nodes[6].Remote.Address, Status: "running", Ready: 1, Desired: 1, Platforms: []string{"linux/amd64"}, BuildKit: "v0.33.1"},
	} {
		if diff := cmp.Diff(want, got[0].Nodes[i]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.Name, diff)
		}
	}
	for i, want := range []NodeStatus{
		{Name: "pulling", Endpoint: "ci/builder", Status: "starting", Desired: 1, Platforms: []string{}, Reason: "pod a: pulling image"},
		{Name: "failing", Endpoint: "ci/builder", Status: "failing", Desired: 1, Platforms: []string{}, Error: "pod a: cannot pull image (ImagePullBackOff)", Hints: []string{"check image="}},
		{Name: "drifted", Endpoint: "ci/builder", Status: "running", Ready: 1, Desired: 1, Platforms: []string{"linux/amd64"}, BuildKit: "v0.33.1", Drifted: true},
		{Name: "forbidden", Status: "forbidden", Platforms: []string{}, Error: "may not", Hints: []string{"the roles with the rights that are missing, of all nodes: slipway doctor --rbac"}},
	} {
		if diff := cmp.Diff(want, got[0].Nodes[8+i]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.Name, diff)
		}
	}
	if n := got[0].Nodes[7]; n.Status != "unreachable" || !strings.Contains(n.Error, "connect to unix:///nowhere/at/all") || n.Hints != nil {
		t.Errorf("a remote node that does not answer: %+v", n)
	}
	if running.Open() != 0 {
		t.Errorf("%d connections are not closed", running.Open())
	}
}

func TestUnanswered(t *testing.T) {
	of := func(name string, words ...string) Status {
		s := Status{Name: name}
		for _, word := range words {
			s.Nodes = append(s.Nodes, NodeStatus{Status: NodeState(word)})
		}
		return s
	}
	for _, tt := range []struct {
		list []Status
		want string
	}{
		{nil, ""},
		{[]Status{of("kube")}, ""},
		{[]Status{of("kube", "unreachable", "running")}, ""},
		{[]Status{of("kube", "unreachable"), of("other", "absent")}, ""},
		{[]Status{of("kube", "failing")}, ""},
		{[]Status{of("kube", "unreachable", "forbidden")}, `no node of builder "kube" has answered`},
		{[]Status{of("kube", "unreachable"), of("other", "unreachable")}, "no node of the 2 builders has answered"},
	} {
		err := Unanswered(tt.list)
		if got := fmt.Sprint(err); tt.want == "" && err != nil || tt.want != "" && (got != tt.want || fault.ClassOf(err) != fault.ClassCluster) {
			t.Errorf("%+v: error %v, want %q", tt.list, err, tt.want)
		}
	}
}

// TestActive has builders that rm --all-inactive may remove, and others.
func TestActive(t *testing.T) {
	for words, want := range map[string]string{
		"":                      "",
		"absent stopped":        "",
		"absent running":        "node 1 is running",
		"stopped starting":      "node 1 is starting",
		"failing":               "node 0 is failing",
		"unreachable forbidden": "node 0 is unreachable",
	} {
		var s Status
		for i, word := range strings.Fields(words) {
			s.Nodes = append(s.Nodes, NodeStatus{Name: fmt.Sprint(i), Status: NodeState(word)})
		}
		if got := s.Active(); got != want {
			t.Errorf("%s: %q, want %q", words, got, want)
		}
	}
}

// unanswered is an error of package cluster with words.
type unanswered struct{ cause *kube.Error }

func (u *unanswered) Error() string   { return "no route" }
func (u *unanswered) Hints() []string { return []string{"look at the network"} }
func (u *unanswered) Unwrap() error   { return u.cause }
