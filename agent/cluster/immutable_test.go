package cluster

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// workloadOf is the workload of a node.
func workloadOf(t *testing.T, change func(*configmap.Node)) manifest.Workload {
	t.Helper()
	o, err := manifest.Of(clustertest.Node(change), "ci")
	if err != nil {
		t.Fatal(err)
	}
	return o.Workload
}

func TestMutable(t *testing.T) {
	claim := func(size string) func(*configmap.Node) {
		return func(n *configmap.Node) { n.Kubernetes.ClaimStorage = clustertest.Quantity(size) }
	}
	live := workloadOf(t, claim("1024Mi"))
	live.StatefulSet.Spec.VolumeClaimTemplates[0].Spec.VolumeMode = new(corev1.PersistentVolumeFilesystem)
	selecting := func(labels map[string]string) manifest.Workload {
		return manifest.Workload{Deployment: &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}}}}
	}
	labelled := selecting(map[string]string{"app": "builder-amd64", "team": "ci"})
	for name, tt := range map[string]struct {
		is, wanted manifest.Workload
		want       string
	}{
		"the same claims":   {live, workloadOf(t, claim("1Gi")), ""},
		"larger claims":     {live, workloadOf(t, claim("2Gi")), "spec.volumeClaimTemplates[buildkitd].spec.resources.requests.storage: cluster has 1Gi, definition says 2Gi"},
		"a selector":        {selecting(map[string]string{"app": "builder-amd64"}), workloadOf(t, nil), ""},
		"another selector":  {labelled, workloadOf(t, nil), "its selector wants the label team=ci on pods"},
		"a label it has to": {labelled, workloadOf(t, func(n *configmap.Node) { n.Kubernetes.Labels = map[string]string{"team": "ci"} }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := &workload{name: "builder-amd64", namespace: "ci", node: clustertest.Node(nil)}
			err := w.checkImmutable(tt.is, tt.wanted)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestAdoptable(t *testing.T) {
	theirs := manifest.Workload{Deployment: &appsv1.Deployment{}}
	theirs.Deployment.Spec.Template.Spec.Containers = []corev1.Container{{Name: "buildkitd", SecurityContext: &corev1.SecurityContext{Privileged: new(true)}}}
	w := &workload{name: "builder-amd64", namespace: "ci", node: clustertest.Node(nil)}
	if err := w.checkAdoptable(theirs, workloadOf(t, nil)); err != nil {
		t.Error(err)
	}
	err := w.checkAdoptable(theirs, workloadOf(t, func(n *configmap.Node) { n.Kubernetes.Rootless = true }))
	if err == nil || !strings.Contains(err.Error(), "is privileged, and the definition asks for one that is not privileged") {
		t.Errorf("a rootless definition: %v", err)
	}
}
