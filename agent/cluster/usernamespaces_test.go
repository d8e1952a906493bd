package cluster

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

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
