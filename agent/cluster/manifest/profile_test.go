package manifest

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/slipway-build/slipway/configmap"
)

func TestProfileOf(t *testing.T) {
	spec := func(k configmap.Kubernetes, change func(*corev1.PodSpec)) corev1.PodSpec {
		node := configmap.Node{Name: "b", Kubernetes: &k}
		s := podTemplate(node, nil, nil, nil).Spec
		change(&s)
		return s
	}
	as := func(*corev1.PodSpec) {}
	for name, tt := range map[string]struct {
		spec corev1.PodSpec
		want configmap.Profile
	}{
		"by default":     {spec(configmap.Kubernetes{}, as), configmap.ProfilePrivileged},
		"rootless":       {spec(configmap.Kubernetes{Rootless: true}, as), configmap.ProfileRootless},
		"user namespace": {spec(configmap.Kubernetes{}, func(s *corev1.PodSpec) { s.HostUsers = new(false) }), configmap.ProfileUserNamespace},
		"by its name":    {spec(configmap.Kubernetes{Profile: configmap.ProfileUserNamespace}, as), configmap.ProfileUserNamespace},
		"host's users":   {spec(configmap.Kubernetes{}, func(s *corev1.PodSpec) { s.HostUsers = new(true) }), configmap.ProfilePrivileged},
		"user of the pod": {spec(configmap.Kubernetes{}, func(s *corev1.PodSpec) {
			s.Containers[0].SecurityContext = nil
			s.SecurityContext = &corev1.PodSecurityContext{RunAsUser: new(int64(1000))}
		}), configmap.ProfileRootless},
		"root without rights": {spec(configmap.Kubernetes{}, func(s *corev1.PodSpec) { s.Containers[0].SecurityContext = nil }), ProfileRoot},
		// A sidecar is not what builds.
		"privileged sidecar": {spec(configmap.Kubernetes{Rootless: true}, func(s *corev1.PodSpec) {
			s.Containers = append([]corev1.Container{{Name: "other", SecurityContext: &corev1.SecurityContext{Privileged: new(true)}}}, s.Containers...)
		}), configmap.ProfileRootless},
	} {
		if got := ProfileOf(tt.spec); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
