package manifest

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Workload is the workload of a node, as the API server has it or is to have it.
// Exactly one of the two is set.
type Workload struct {
	Deployment  *appsv1.Deployment
	StatefulSet *appsv1.StatefulSet
}

// Copy shares nothing with the workload.
func (w Workload) Copy() Workload {
	if w.StatefulSet != nil {
		return Workload{StatefulSet: w.StatefulSet.DeepCopy()}
	}
	return Workload{Deployment: w.Deployment.DeepCopy()}
}

// Meta is the metadata of the workload itself, to read and to change.
func (w Workload) Meta() *metav1.ObjectMeta {
	if w.StatefulSet != nil {
		return &w.StatefulSet.ObjectMeta
	}
	return &w.Deployment.ObjectMeta
}

// Template is the template of its pods, to read and to change.
func (w Workload) Template() *corev1.PodTemplateSpec {
	if w.StatefulSet != nil {
		return &w.StatefulSet.Spec.Template
	}
	return &w.Deployment.Spec.Template
}

// Selector selects its pods.
func (w Workload) Selector() *metav1.LabelSelector {
	if w.StatefulSet != nil {
		return w.StatefulSet.Spec.Selector
	}
	return w.Deployment.Spec.Selector
}

// Replicas is how many pods are wanted; 1 is the API's default.
func (w Workload) Replicas() int32 {
	n := (*int32)(nil)
	if w.StatefulSet != nil {
		n = w.StatefulSet.Spec.Replicas
	} else {
		n = w.Deployment.Spec.Replicas
	}
	if n == nil {
		return 1
	}
	return *n
}

// Managed is true when Slipway made it.
func (w Workload) Managed() bool {
	return w.Meta().Labels[LabelManagedBy] == ManagedBy && w.Meta().Labels[LabelApp] == w.Meta().Name
}

// Listens is true when its pods take TLS connections.
func (w Workload) Listens() bool { return w.Template().Annotations[AnnotationTLS] != "" }

// Hash is the one on the pods; empty where there is none.
func (w Workload) Hash() string { return w.Template().Annotations[AnnotationSpecHash] }
