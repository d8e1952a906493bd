package diff

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// entry is what an API server notes of who has set what.
func entry(manager, subresource, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{Manager: manager, Subresource: subresource, Operation: metav1.ManagedFieldsOperationUpdate, FieldsV1: metav1.NewFieldsV1(fields)}
}

func manifestOf(t *testing.T, change func(*configmap.Node)) manifest.Workload {
	t.Helper()
	o, err := manifest.Of(clustertest.Node(change), "ci")
	if err != nil {
		t.Fatal(err)
	}
	return o.Workload
}

func TestBring(t *testing.T) {
	is := manifestOf(t, func(n *configmap.Node) {
		n.Kubernetes.Labels = map[string]string{"team": "build"}
		n.Kubernetes.Annotations = map[string]string{"example.com/owner": "ci"}
	})
	d := is.Deployment
	// What others have added, and what somebody has changed by hand.
	d.Annotations["deployment.kubernetes.io/revision"] = "3"
	d.Labels["argocd"] = "yes"
	d.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"] = "today"
	d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "BY_HAND"}}
	d.ResourceVersion = "7"
	d.ManagedFields = []metav1.ManagedFieldsEntry{
		entry(manifest.ManagedBy, "", `{"f:metadata":{"f:labels":{"f:team":{},"f:app":{}},"f:annotations":{".":{},"f:example.com/owner":{}}}}`),
		entry(manifest.ManagedBy, "", `{"f:spec":{"f:template":{"f:metadata":{"f:labels":{"f:team":{}},"f:annotations":{"f:example.com/owner":{}}}}}}`),
		entry("argocd", "", `{"f:metadata":{"f:labels":{"f:argocd":{}}}}`),
	}
	before := is.Copy()
	wanted := manifestOf(t, func(n *configmap.Node) { n.Kubernetes.Image = "moby/buildkit:v2" })

	out := Desired(is, wanted).Deployment
	if diff := cmp.Diff(before.Deployment, is.Deployment); diff != "" {
		t.Errorf("what was read has changed (-before +after):\n%s", diff)
	}
	hash := wanted.Hash()
	if diff := cmp.Diff(map[string]string{"deployment.kubernetes.io/revision": "3", manifest.AnnotationSpecHash: hash}, out.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"app": "builder-amd64", manifest.LabelManagedBy: manifest.ManagedBy, "argocd": "yes"}, out.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	template := wanted.Deployment.Spec.Template.DeepCopy()
	template.Annotations["kubectl.kubernetes.io/restartedAt"] = "today"
	if diff := cmp.Diff(*template, out.Spec.Template); diff != "" {
		t.Errorf("pod template (-want +got):\n%s", diff)
	}
	if out.ResourceVersion != "7" {
		t.Error("the update would not notice that others have written")
	}
}

func TestBringLeavesOfAStatefulSetWhatCannotChange(t *testing.T) {
	claim := func(n *configmap.Node) { n.Kubernetes.ClaimStorage = clustertest.Quantity("1Gi") }
	is := manifestOf(t, claim)
	is.StatefulSet.Spec.VolumeClaimTemplates[0].Status.Phase = corev1.ClaimPending
	is.StatefulSet.Spec.ServiceName = "other"
	is.StatefulSet.Spec.PodManagementPolicy = appsv1.OrderedReadyPodManagement
	out := Desired(is, manifestOf(t, func(n *configmap.Node) { claim(n); n.Kubernetes.Image = "v2" })).StatefulSet.Spec
	if out.Template.Spec.Containers[0].Image != "v2" {
		t.Error("the image is not brought up to date")
	}
	was := is.StatefulSet.Spec
	if diff := cmp.Diff([]any{was.Selector, was.ServiceName, was.PodManagementPolicy, was.VolumeClaimTemplates}, []any{out.Selector, out.ServiceName, out.PodManagementPolicy, out.VolumeClaimTemplates}); diff != "" {
		t.Errorf("what can never be changed (-was +is):\n%s", diff)
	}
}

func TestKeptReplicas(t *testing.T) {
	const sets = `{"f:spec":{"f:replicas":{}}}`
	for name, tt := range map[string]struct {
		is     int32
		fields []metav1.ManagedFieldsEntry
		want   int32
	}{
		"the definition's":              {is: 2, want: 5},
		"asleep":                        {is: 0, want: 0},
		"scaled by an autoscaler":       {is: 2, fields: []metav1.ManagedFieldsEntry{entry("kube-controller-manager", "scale", sets)}, want: 2},
		"scaled by hand":                {is: 2, fields: []metav1.ManagedFieldsEntry{entry(manifest.ManagedBy, "", `{}`), entry("kubectl", "scale", sets)}, want: 2},
		"woken by slipway":              {is: 2, fields: []metav1.ManagedFieldsEntry{entry(manifest.ManagedBy, "scale", sets)}, want: 5},
		"written by an update of it":    {is: 2, fields: []metav1.ManagedFieldsEntry{entry("kubectl-edit", "", sets)}, want: 5},
		"nothing is known of the owner": {is: 2, fields: []metav1.ManagedFieldsEntry{entry("x", "scale", `{`)}, want: 5},
	} {
		t.Run(name, func(t *testing.T) {
			is := deployed(func(d *appsv1.Deployment) { d.Spec.Replicas, d.ManagedFields = &tt.is, tt.fields })
			if got := keptReplicas(is, 5); got != tt.want {
				t.Errorf("%d replicas, want %d", got, tt.want)
			}
		})
	}
}
