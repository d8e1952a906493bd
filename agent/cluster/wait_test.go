package cluster

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/judge"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
)

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
