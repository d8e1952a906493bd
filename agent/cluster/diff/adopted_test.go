package diff

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// ofBuildx is a workload as buildx makes it.
func ofBuildx() manifest.Workload {
	h := deployed(nil)
	d := h.Deployment
	labels := map[string]string{"app": "builder-amd64", "team": "ci"}
	d.Labels, d.Spec.Template.Labels, d.Spec.Selector.MatchLabels = labels, labels, labels
	d.Annotations = map[string]string{manifest.AnnotationPlatform: "linux/amd64"}
	d.Spec.Template.Annotations = map[string]string{manifest.AnnotationPlatform: "linux/amd64"}
	d.Spec.Template.Spec = corev1.PodSpec{
		DeprecatedServiceAccount: "old", ServiceAccountName: "old",
		NodeSelector: map[string]string{"kubernetes.io/arch": "amd64"},
		Volumes:      []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "builder-amd64-config"}}}}},
		Containers: []corev1.Container{{
			Name: "buildkitd", Image: "moby/buildkit:v1",
			SecurityContext: &corev1.SecurityContext{Privileged: new(true)},
			LivenessProbe:   &corev1.Probe{PeriodSeconds: 30},
			VolumeMounts:    []corev1.VolumeMount{{Name: "config", MountPath: "/etc/buildkit"}},
		}},
	}
	return h
}

// asked is a definition that differs in all that can be asked for.
func asked(n *configmap.Node) {
	n.Flags = []string{"--debug"}
	k := n.Kubernetes
	k.Transport = configmap.TransportExec
	k.Image = "moby/buildkit:v2"
	k.Env = []corev1.EnvVar{{Name: "A", Value: "b"}}
	k.Requests = corev1.ResourceList{"cpu": resource.MustParse("1")}
	k.Tolerations = []corev1.Toleration{{Key: "ci", Operator: corev1.TolerationOpExists}}
	k.ServiceAccount, k.SchedulerName = "builder", "volcano"
	k.Annotations = map[string]string{"example.com/owner": "ci"}
	k.Labels = map[string]string{"team": "other"}
	k.PodTemplate = []byte(`{"spec":{"priorityClassName":"ci","volumes":[{"name":"extra","emptyDir":{}}]}}`)
}

func TestAdopt(t *testing.T) {
	is, wanted := ofBuildx(), manifestOf(t, asked)
	out := Adopted(is, wanted)
	want := ofBuildx()
	pod := &want.Deployment.Spec.Template.Spec
	pod.NodeSelector, pod.DeprecatedServiceAccount, pod.ServiceAccountName, pod.SchedulerName = nil, "builder", "builder", "volcano"
	pod.Tolerations = []corev1.Toleration{{Key: "ci", Operator: corev1.TolerationOpExists}}
	c := &pod.Containers[0]
	c.Image, c.Args, c.Env = "moby/buildkit:v2", []string{"--debug"}, []corev1.EnvVar{{Name: "A", Value: "b"}}
	c.Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("1")}
	annotations := map[string]string{manifest.AnnotationPlatform: "linux/amd64", manifest.AnnotationSpecHash: wanted.Hash(), "example.com/owner": "ci"}
	want.Deployment.Annotations, want.Deployment.Spec.Template.Annotations = annotations, annotations
	if diff := cmp.Diff(want.Deployment, out.Deployment); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(ofBuildx().Deployment, is.Deployment); diff != "" {
		t.Errorf("what was read has changed:\n%s", diff)
	}

	bare := manifestOf(t, func(n *configmap.Node) { asked(n); *n = WithoutOptions(*n) })
	left, err := Unapplied(is, out, wanted, bare)
	if err != nil {
		t.Fatal(err)
	}
	// Not the probes, nor what else Slipway does of its own accord.
	if got, want := strings.Join(left, " "), "metadata.labels.team spec.template.metadata.labels.team spec.template.spec.priorityClassName spec.template.spec.volumes[extra]"; got != want {
		t.Errorf("left alone: %s, want %s", got, want)
	}
}

// TestAdoptKeepsTheOrderOfVariables: buildx has them in any, and to sort them is
// no reason to replace pods.
func TestAdoptKeepsTheOrderOfVariables(t *testing.T) {
	is := ofBuildx()
	theirs := []corev1.EnvVar{{Name: "B"}, {Name: "A", Value: "x"}}
	is.Deployment.Spec.Template.Spec.Containers[0].Env = theirs
	wanted := func(value string) manifest.Workload {
		return manifestOf(t, func(n *configmap.Node) { n.Kubernetes.Env = []corev1.EnvVar{{Name: "A", Value: value}, {Name: "B"}} })
	}
	if diff := cmp.Diff(theirs, Adopted(is, wanted("x")).Template().Spec.Containers[0].Env); diff != "" {
		t.Errorf("(-theirs +adopted):\n%s", diff)
	}
	if got := Adopted(is, wanted("y")).Template().Spec.Containers[0].Env; got[0].Value != "y" {
		t.Errorf("variables %v", got)
	}
}
