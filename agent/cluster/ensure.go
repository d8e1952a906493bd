package cluster

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ensure creates the workload if there is none and wakes one that is scaled to
// zero. Everything it does may be done by any number of agents at once: what
// exists already counts as done, and all write the same.
func (w *workload) ensure(ctx context.Context) error {
	replicas, err := w.replicas(ctx)
	switch {
	case apierrors.IsNotFound(err):
		return w.create(ctx)
	case err != nil:
		return w.explain(err, "get "+w.String())
	case replicas == 0:
		return w.wake(ctx)
	default:
		return nil
	}
}

func (w *workload) replicas(ctx context.Context) (int32, error) {
	var replicas *int32
	if Kind(w.node) == KindStatefulSet {
		s, err := w.client.statefulSets(w.namespace).Get(ctx, w.name, metav1.GetOptions{})
		if err != nil {
			return 0, err
		}
		replicas = s.Spec.Replicas
	} else {
		d, err := w.client.deployments(w.namespace).Get(ctx, w.name, metav1.GetOptions{})
		if err != nil {
			return 0, err
		}
		replicas = d.Spec.Replicas
	}
	if replicas == nil {
		// The API's default.
		return 1, nil
	}
	return *replicas, nil
}

// create makes what the workload mounts first, so that no pod waits for it.
// ConfigMaps and Secrets that are left of an earlier workload are brought up
// to date.
func (w *workload) create(ctx context.Context) error {
	objects, err := Manifest(w.node, w.namespace)
	if err != nil {
		return err
	}
	w.report(fmt.Sprintf("creating %s in namespace %s", w, w.namespace))
	options := metav1.CreateOptions{FieldManager: managedBy}
	overwrite := metav1.UpdateOptions{FieldManager: managedBy}

	configMaps := w.client.configMaps(w.namespace)
	for _, cm := range objects.ConfigMaps {
		_, err := configMaps.Create(ctx, cm, options)
		if apierrors.IsAlreadyExists(err) {
			_, err = configMaps.Update(ctx, cm, overwrite)
		}
		if err != nil {
			return w.explain(err, "write configmap "+cm.Name)
		}
	}
	secrets := w.client.secrets(w.namespace)
	for _, s := range objects.Secrets {
		_, err := secrets.Create(ctx, s, options)
		if apierrors.IsAlreadyExists(err) {
			_, err = secrets.Update(ctx, s, overwrite)
		}
		if err != nil {
			return w.explain(err, "write secret "+s.Name)
		}
	}
	if objects.StatefulSet != nil {
		_, err = w.client.statefulSets(w.namespace).Create(ctx, objects.StatefulSet, options)
	} else {
		_, err = w.client.deployments(w.namespace).Create(ctx, objects.Deployment, options)
	}
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return w.explain(err, "create "+w.String())
	}
	return nil
}

// wake scales a workload up that somebody scaled to zero, which buildx never
// does: it would wait for a pod that nobody makes.
func (w *workload) wake(ctx context.Context) error {
	n := w.node.Kubernetes.Replicas
	w.report(fmt.Sprintf("%s in namespace %s is scaled to zero: scaling it to %d", w, w.namespace, n))
	err := w.client.apps.Patch(types.MergePatchType).
		Namespace(w.namespace).
		Resource(strings.ToLower(Kind(w.node))+"s").
		Name(w.name).
		SubResource("scale").
		VersionedParams(&metav1.PatchOptions{FieldManager: managedBy}, w.client.parameters).
		Body(fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n)).
		Do(ctx).
		Error()
	return w.explain(err, fmt.Sprintf("scale %s, which is scaled to zero,", w))
}
