package cluster

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
)

// held is a workload as the API server holds it, or is to hold it. Exactly one
// of the two is set.
type held struct {
	deployment  *appsv1.Deployment
	statefulSet *appsv1.StatefulSet
}

func (h held) copy() held {
	if h.statefulSet != nil {
		return held{statefulSet: h.statefulSet.DeepCopy()}
	}
	return held{deployment: h.deployment.DeepCopy()}
}

func (h held) meta() *metav1.ObjectMeta {
	if h.statefulSet != nil {
		return &h.statefulSet.ObjectMeta
	}
	return &h.deployment.ObjectMeta
}

func (h held) template() *corev1.PodTemplateSpec {
	if h.statefulSet != nil {
		return &h.statefulSet.Spec.Template
	}
	return &h.deployment.Spec.Template
}

func (h held) selector() *metav1.LabelSelector {
	if h.statefulSet != nil {
		return h.statefulSet.Spec.Selector
	}
	return h.deployment.Spec.Selector
}

// replicas is how many pods are wanted; 1 is the API's default.
func (h held) replicas() int32 {
	n := (*int32)(nil)
	if h.statefulSet != nil {
		n = h.statefulSet.Spec.Replicas
	} else {
		n = h.deployment.Spec.Replicas
	}
	if n == nil {
		return 1
	}
	return *n
}

// managed is true when Slipway made it, as owns has it.
func (h held) managed() bool {
	return h.meta().Labels[labelManagedBy] == managedBy && h.meta().Labels[labelApp] == h.meta().Name
}

// listens is true when its pods take TLS connections.
func (h held) listens() bool { return h.template().Annotations[annotationTLS] != "" }

// hash is the one on the pods; empty where there is none.
func (h held) hash() string { return h.template().Annotations[annotationSpecHash] }

// held is the workload of the objects.
func (o Objects) held() held { return held{deployment: o.Deployment, statefulSet: o.StatefulSet} }

// get reads the workload of a kind; its error is the API server's.
func (w *workload) get(ctx context.Context, kind string) (held, error) {
	if kind == KindStatefulSet {
		s, err := w.client.api.StatefulSets(w.namespace).Get(ctx, w.name, metav1.GetOptions{})
		return held{statefulSet: s}, err
	}
	d, err := w.client.api.Deployments(w.namespace).Get(ctx, w.name, metav1.GetOptions{})
	return held{deployment: d}, err
}

// put writes the workload where nobody has written it since it was read, and
// returns it as it then is; with dryRun as it would be. Its error is the API
// server's.
func (w *workload) put(ctx context.Context, h held, dryRun bool) (held, error) {
	options := metav1.UpdateOptions{FieldManager: kube.FieldManager}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	if h.statefulSet != nil {
		s, err := w.client.api.StatefulSets(w.namespace).Update(ctx, h.statefulSet, options)
		return held{statefulSet: s}, err
	}
	d, err := w.client.api.Deployments(w.namespace).Update(ctx, h.deployment, options)
	return held{deployment: d}, err
}
