package diff

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipway-build/slipway/configmap"
)

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
			marked, err := OutdatedPods(pods, tt.was, tt.is)
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
