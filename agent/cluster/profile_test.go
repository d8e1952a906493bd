package cluster

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
		if got := profileOf(tt.spec); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestHasUserNamespaces(t *testing.T) {
	handler := func(name string, features *corev1.NodeRuntimeHandlerFeatures) corev1.NodeRuntimeHandler {
		return corev1.NodeRuntimeHandler{Name: name, Features: features}
	}
	able, unable := &corev1.NodeRuntimeHandlerFeatures{UserNamespaces: new(true)}, &corev1.NodeRuntimeHandlerFeatures{UserNamespaces: new(false)}
	for name, tt := range map[string]struct {
		kubelet  string
		handlers []corev1.NodeRuntimeHandler
		spec     corev1.PodSpec
		want     bool
	}{
		"able":                    {kubelet: "v1.33.0", handlers: []corev1.NodeRuntimeHandler{handler("runc", unable), handler("", able)}, want: true},
		"a distribution's":        {kubelet: "v1.34.1-eks-113cf36", handlers: []corev1.NodeRuntimeHandler{handler("", able)}, want: true},
		"switched off by default": {kubelet: "v1.32.9", handlers: []corev1.NodeRuntimeHandler{handler("", able)}},
		"another handler":         {kubelet: "v1.36.3", handlers: []corev1.NodeRuntimeHandler{handler("kata", able), handler("", unable)}},
		"another runtime class":   {kubelet: "v1.36.3", handlers: []corev1.NodeRuntimeHandler{handler("", able)}, spec: corev1.PodSpec{RuntimeClassName: new("kata")}},
		"does not tell":           {kubelet: "v1.36.3", handlers: []corev1.NodeRuntimeHandler{handler("", nil), handler("", &corev1.NodeRuntimeHandlerFeatures{})}},
		"no version":              {handlers: []corev1.NodeRuntimeHandler{handler("", able)}},
	} {
		n := corev1.Node{Status: corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{KubeletVersion: tt.kubelet}, RuntimeHandlers: tt.handlers}}
		if got := hasUserNamespaces(n, tt.spec); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
}
