package diff

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/manifest"
)

// deployed is a workload as an API server would hold it, changed.
func deployed(change func(*appsv1.Deployment)) manifest.Workload {
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{
			Name: "builder-amd64", Namespace: "ci", UID: "uid", ResourceVersion: "7", Generation: 3,
			Labels:      map[string]string{"app": "builder-amd64", manifest.LabelManagedBy: manifest.ManagedBy},
			Annotations: map[string]string{"deployment.kubernetes.io/revision": "2"},
		},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(2)),
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "builder-amd64"}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{
					Labels:      map[string]string{"app": "builder-amd64", manifest.LabelManagedBy: manifest.ManagedBy},
					Annotations: map[string]string{manifest.AnnotationSpecHash: "aaaa"},
				},
				Spec: corev1.PodSpec{Containers: []corev1.Container{
					{Name: "sidecar", Image: "side"},
					{
						Name: "buildkitd", Image: "moby/buildkit:v1", Args: []string{"--debug", "--addr", "unix"},
						Env: []corev1.EnvVar{{Name: "HTTP_PROXY", Value: "http://user:hunter2@proxy"}},
						VolumeMounts: []corev1.VolumeMount{
							{Name: "v", MountPath: "/a"},
							{Name: "v", MountPath: "/b"},
						},
					},
				}},
			},
		},
		Status: appsv1.DeploymentStatus{ReadyReplicas: 2},
	}
	if change != nil {
		change(d)
	}
	return manifest.Workload{Deployment: d}
}

func TestCompareWorkloads(t *testing.T) {
	template := func(change func(*corev1.PodTemplateSpec)) func(*appsv1.Deployment) {
		return func(d *appsv1.Deployment) { change(&d.Spec.Template) }
	}
	container := func(change func(*corev1.Container)) func(*appsv1.Deployment) {
		return template(func(t *corev1.PodTemplateSpec) { change(&t.Spec.Containers[1]) })
	}
	const at = "spec.template.spec.containers[buildkitd]."
	for _, tt := range []struct {
		name   string
		change func(*appsv1.Deployment)
		// back is what is found the other way round; wantedOnly what is found
		// when only the second one counts.
		want, back, wantedOnly []string
	}{
		{name: "nothing", change: nil},
		{
			name: "what the cluster writes",
			change: func(d *appsv1.Deployment) {
				d.ResourceVersion, d.Generation, d.UID, d.Status.ReadyReplicas = "8", 4, "other", 0
				d.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "x"}}
			},
		},
		{
			name: "image", change: container(func(c *corev1.Container) { c.Image = "moby/buildkit:v2" }),
			want: []string{at + "image: cluster has moby/buildkit:v1, definition says moby/buildkit:v2"},
			back: []string{at + "image: cluster has moby/buildkit:v2, definition says moby/buildkit:v1"},
		},
		{
			name: "arguments", change: container(func(c *corev1.Container) { c.Args = []string{"--addr", "unix", "--oci-worker-gc"} }),
			want: []string{at + `args: only in the cluster: ["--debug"], only in the definition: ["--oci-worker-gc"]`},
			back: []string{at + `args: only in the cluster: ["--oci-worker-gc"], only in the definition: ["--debug"]`},
		},
		{
			name: "the order of arguments", change: container(func(c *corev1.Container) { c.Args = []string{"--addr", "unix", "--debug"} }),
			want: []string{at + "args: in another order than in the definition"}, back: []string{at + "args: in another order than in the definition"},
		},
		{
			name: "no password in a variable", change: container(func(c *corev1.Container) { c.Env[0].Value = "http://user:hunter3@proxy" }),
			want: []string{at + "env[HTTP_PROXY].value: cluster has another value than the definition (not shown)"}, back: []string{at + "env[HTTP_PROXY].value: cluster has another value than the definition (not shown)"},
		},
		{
			name: "no variable at all", change: container(func(c *corev1.Container) { c.Env = nil }),
			want: []string{at + "env[HTTP_PROXY]: only in the cluster"}, back: []string{at + "env[HTTP_PROXY]: only in the definition"}, wantedOnly: []string{},
		},
		{
			name: "resources",
			change: container(func(c *corev1.Container) {
				c.Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("1000m")}
			}),
			want: []string{at + "resources.requests.cpu: cluster has none, definition says 1"}, back: []string{at + "resources.requests.cpu: cluster has 1, definition says none"},
		},
		{
			name: "a mount of a volume that is mounted twice", change: container(func(c *corev1.Container) { c.VolumeMounts[1].ReadOnly = true }),
			want: []string{at + "volumeMounts[/b].readOnly: cluster has none, definition says true"}, back: []string{at + "volumeMounts[/b].readOnly: cluster has true, definition says none"},
		},
		{
			name: "a probe", change: container(func(c *corev1.Container) {
				c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}}}
			}),
			want: []string{at + `livenessProbe: cluster has none, definition says {"exec":{"command":["true"]}}`}, back: []string{at + `livenessProbe: cluster has {"exec":{"command":["true"]}}, definition says none`},
		},
		{
			name: "a container that an admission webhook adds", change: template(func(t *corev1.PodTemplateSpec) { t.Spec.Containers = t.Spec.Containers[1:] }),
			want: []string{"spec.template.spec.containers[sidecar]: only in the cluster"}, back: []string{"spec.template.spec.containers[sidecar]: only in the definition"}, wantedOnly: []string{},
		},
		{
			name: "a container of an earlier definition", change: template(func(t *corev1.PodTemplateSpec) {
				t.Spec.Containers, t.Annotations = t.Spec.Containers[1:], map[string]string{manifest.AnnotationSpecHash: "bbbb"}
			}),
			want: []string{"spec.template.spec.containers[sidecar]: only in the cluster"}, back: []string{"spec.template.spec.containers[sidecar]: only in the definition"}, wantedOnly: []string{HashLine},
		},
		{
			name: "tolerations", change: template(func(t *corev1.PodTemplateSpec) {
				t.Spec.Tolerations = []corev1.Toleration{{Key: "ci", Operator: "Exists"}}
			}),
			want: []string{`spec.template.spec.tolerations: cluster has none, definition says [{"key":"ci","operator":"Exists"}]`}, back: []string{`spec.template.spec.tolerations: cluster has [{"key":"ci","operator":"Exists"}], definition says none`},
		},
		{
			name: "the hash beside what it stands for", change: func(d *appsv1.Deployment) {
				d.Spec.Template.Annotations = map[string]string{manifest.AnnotationSpecHash: "bbbb"}
				d.Labels = map[string]string{"app": "builder-amd64", manifest.LabelManagedBy: manifest.ManagedBy, "team": "ci"}
			},
			want: []string{"metadata.labels.team: cluster has none, definition says ci"}, back: []string{"metadata.labels.team: cluster has ci, definition says none"},
		},
		{
			name: "the hash alone", change: template(func(t *corev1.PodTemplateSpec) {
				t.Annotations = map[string]string{manifest.AnnotationSpecHash: "bbbb"}
			}),
			want: []string{HashLine},
			back: []string{HashLine},
		},
		{
			name: "long values", change: container(func(c *corev1.Container) { c.Image = strings.Repeat("é", 100) }),
			want: []string{at + "image: cluster has moby/buildkit:v1, definition says " + strings.Repeat("é", 40) + "…"}, back: []string{at + "image: cluster has " + strings.Repeat("é", 40) + "…, definition says moby/buildkit:v1"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.wantedOnly == nil {
				tt.wantedOnly = tt.want
			}
			for what, pair := range map[string]struct {
				is, should manifest.Workload
				wantedOnly bool
				want       []string
			}{
				"forth":       {deployed(nil), deployed(tt.change), false, tt.want},
				"back":        {deployed(tt.change), deployed(nil), false, tt.back},
				"wanted only": {deployed(nil), deployed(tt.change), true, tt.wantedOnly},
			} {
				found, err := Workloads(pair.is, pair.should, pair.wantedOnly)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(strings.Join(pair.want, "\n"), strings.Join(Lines(found, nil), "\n")); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
		})
	}
}
