package judge

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
)

// ReadyPods are those of pods that a build may use, by name.
func ReadyPods(pods []*corev1.Pod) []kube.Pod {
	var ready []kube.Pod
	for _, p := range pods {
		if kube.IsReady(p) && p.DeletionTimestamp == nil {
			pod := kube.Pod{
				Namespace:   p.Namespace,
				Name:        p.Name,
				Container:   manifest.ContainerName,
				ClusterNode: p.Spec.NodeName,
				Addresses:   addresses(p),
				Listens:     p.Annotations[manifest.AnnotationTLS] != "",
				UID:         p.UID,
			}
			if owner := metav1.GetControllerOf(p); owner != nil {
				pod.Owner = *owner
			}
			ready = append(ready, pod)
		}
	}
	slices.SortFunc(ready, func(a, b kube.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return ready
}

func addresses(p *corev1.Pod) []string {
	var all []string
	for _, ip := range p.Status.PodIPs {
		all = append(all, ip.IP)
	}
	return all
}
