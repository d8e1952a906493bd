package kube

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Pod is one pod that runs buildkitd.
type Pod struct {
	Namespace string
	Name      string
	// Container is the one that runs buildkitd.
	Container string
	// ClusterNode is the Kubernetes node it runs on.
	ClusterNode string
	// Addresses are its IP addresses, the preferred one first.
	Addresses []string
	// Listens is true when its buildkitd takes TLS connections.
	Listens bool

	UID types.UID
	// Owner is its controller, as the pod has it.
	Owner metav1.OwnerReference
}

// String is namespace and name, as kubectl's users write it.
func (p Pod) String() string { return p.Namespace + "/" + p.Name }

// IsReady is true for a pod that runs and has the condition Ready.
func IsReady(p *corev1.Pod) bool {
	if p.Status.Phase != corev1.PodRunning {
		return false
	}
	c := PodCondition(p, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

// PodCondition is the condition of a kind, nil where the pod has none.
func PodCondition(p *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == kind {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

// IsLive is true for a pod that may become or is ready.
func IsLive(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && !HasEnded(p)
}

// HasEnded is true for a pod whose containers have ended for good.
func HasEnded(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded
}
