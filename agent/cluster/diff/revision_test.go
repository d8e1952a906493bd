package diff

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
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
				r := Revision{Policy: policy, Hashes: []string{"whole", "plain"}}.Examine(tt.pods)
				if len(r.Current) != tt.current || r.Ready != tt.ready {
					t.Errorf("%q: %d current, ready %v, want %d and %v", policy, len(r.Current), r.Ready, tt.current, tt.ready)
				}
				if r.Doubtful {
					doubtful = append(doubtful, policy)
				}
			}
			if got := fmt.Sprint(doubtful); got != tt.doubtful {
				t.Errorf("worth a closer look under %s, want %s", got, tt.doubtful)
			}
		})
	}
}
