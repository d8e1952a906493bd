package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/judge"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

func TestRolloutOfPods(t *testing.T) {
	ended := clustertest.Pod("ended", "old", false)
	ended.Status.Phase = corev1.PodFailed
	adopted := clustertest.Pod("adopted", "", true)
	adopted.Annotations = map[string]string{manifest.AnnotationSpecHash: "old"}
	unmarked := clustertest.Pod("unmarked", "old", true)
	unmarked.Annotations = nil
	for name, tt := range map[string]struct {
		pods     []*corev1.Pod
		current  int
		ready    bool
		doubtful string // the policies under which a closer look is worth it
	}{
		"none":                       {nil, 0, false, "[]"},
		"of this definition":         {[]*corev1.Pod{clustertest.Pod("a", "whole", true), clustertest.Pod("b", "plain", true)}, 2, true, "[]"},
		"of another":                 {[]*corev1.Pod{clustertest.Pod("a", "old", true)}, 0, false, "[warn apply fail]"},
		"in the middle of a rollout": {[]*corev1.Pod{clustertest.Pod("a", "old", true), clustertest.Pod("b", "whole", false)}, 1, false, "[warn apply fail]"},
		"after the first new one":    {[]*corev1.Pod{clustertest.Pod("a", "old", true), clustertest.Pod("b", "whole", true)}, 1, true, "[warn apply fail]"},
		"long over":                  {[]*corev1.Pod{ended}, 0, false, "[]"},
		"of buildx":                  {[]*corev1.Pod{clustertest.Pod("a", "", true)}, 0, false, "[apply fail]"},
		"of buildx, adopted before":  {[]*corev1.Pod{adopted}, 0, false, "[warn apply fail]"},
		"of an older slipway":        {[]*corev1.Pod{unmarked}, 0, false, "[warn apply fail]"},
	} {
		t.Run(name, func(t *testing.T) {
			doubtful := []configmap.Drift{}
			for _, policy := range []configmap.Drift{"", configmap.DriftIgnore, configmap.DriftWarn, configmap.DriftApply, configmap.DriftFail} {
				r := wanted{policy: policy, hashes: []string{"whole", "plain"}}.examine(tt.pods)
				if len(r.current) != tt.current || r.ready != tt.ready {
					t.Errorf("%q: %d current, ready %v, want %d and %v", policy, len(r.current), r.ready, tt.current, tt.ready)
				}
				if r.doubtful {
					doubtful = append(doubtful, policy)
				}
			}
			if got := fmt.Sprint(doubtful); got != tt.doubtful {
				t.Errorf("worth a closer look under %s, want %s", got, tt.doubtful)
			}
		})
	}
}

// TestOutdatedPods has a change by hand undone while its rollout is under way:
// pods from before the change stay, for they are as they should be.
func TestOutdatedPods(t *testing.T) {
	should := manifestOf(t, nil).Deployment.Spec.Template
	byHand := *should.DeepCopy()
	byHand.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "EXTRA", Value: "x"}}
	other := manifestOf(t, func(n *configmap.Node) { n.Flags = []string{"--debug"} }).Deployment.Spec.Template
	pod := func(name string, of corev1.PodTemplateSpec) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: *of.ObjectMeta.DeepCopy(), Spec: *of.Spec.DeepCopy()}
		p.Name, p.UID = name, types.UID(name)
		// What admission and the controllers add to each.
		p.Labels["pod-template-hash"] = name
		p.Spec.NodeName = "node1"
		p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: "node.kubernetes.io/not-ready", Operator: corev1.TolerationOpExists})
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "kube-api-access"})
		return p
	}
	pods := []*corev1.Pod{pod("before", should), pod("by-hand", byHand), pod("other", other)}
	for name, tt := range map[string]struct {
		was, is  corev1.PodTemplateSpec
		outdated []string
	}{
		"undone":            {byHand, should, []string{"by-hand"}},
		"another hash":      {other, should, []string{"other"}},
		"to another":        {should, other, []string{"before", "by-hand"}},
		"nothing":           {should, should, nil},
		"done and undone":   {byHand, byHand, nil},
		"from hand to hash": {byHand, other, []string{"before", "by-hand"}},
	} {
		t.Run(name, func(t *testing.T) {
			marked, err := outdatedBy(pods, tt.was, tt.is)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range pods {
				if marked[p.UID] {
					got = append(got, p.Name)
				}
			}
			if !slices.Equal(got, tt.outdated) {
				t.Errorf("outdated %s, want %s", got, tt.outdated)
			}
		})
	}
}

// TestWaitForPodsOfAnotherTemplate has none but outdated pods there.
func TestWaitForPodsOfAnotherTemplate(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*configmap.Node)
		want   string
	}{
		"deployment":  {nil, "deployment builder-amd64: waiting for its pod to be created"},
		"statefulset": {func(n *configmap.Node) { n.Kubernetes.ClaimStorage = clustertest.Quantity("1Gi") }, "statefulset builder-amd64: waiting for builds on pod a, b, which ends before its successor starts"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkload(&Client{api: &kube.Client{}}, clustertest.Node(tt.change), nil)
			w.outdated = map[types.UID]bool{"uid-a": true}
			w.hashes = []string{"new"}
			v := newView(w, nil)
			for _, p := range []*corev1.Pod{clustertest.Pod("b", "old", true), clustertest.Pod("a", "new", true)} {
				if err := v.pods.Add(p); err != nil {
					t.Fatal(err)
				}
			}
			verdict, _ := judge.Decide(v.observe(time.Now()), nil, time.Second, time.Now())
			if len(verdict.Ready) > 0 || !slices.Equal(verdict.Waiting, []string{tt.want}) {
				t.Errorf("ready %v, waiting %q, want %q", verdict.Ready, verdict.Waiting, tt.want)
			}
			if err := v.pods.Add(clustertest.Pod("c", "new", true)); err != nil {
				t.Fatal(err)
			}
			verdict, _ = judge.Decide(v.observe(time.Now()), nil, time.Second, time.Now())
			if len(verdict.Ready) != 1 || verdict.Ready[0].Name != "c" {
				t.Errorf("ready %v, want c", verdict.Ready)
			}
		})
	}
}
