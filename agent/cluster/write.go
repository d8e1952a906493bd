package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
)

// owns is true for an object that Slipway made for the workload. Nothing else
// is written or deleted, but for a workload that buildx made.
func (w *workload) owns(object metav1.Object) bool {
	labels := object.GetLabels()
	return labels[manifest.LabelManagedBy] == manifest.ManagedBy && labels[manifest.LabelApp] == w.name
}

// load reads the workload, and refuses one of its name that is neither
// Slipway's nor runs buildkitd as buildx has it. That there is none is the API
// server's own error, all others are explained.
func (w *workload) load(ctx context.Context, kind string) (manifest.Workload, error) {
	is, err := w.get(ctx, kind)
	what := strings.ToLower(kind) + " " + w.name
	switch {
	case apierrors.IsNotFound(err):
		return is, err
	case err != nil:
		return is, w.explain(err, "get "+what)
	case w.owns(is.Meta()):
		return is, nil
	case !manifest.RunsBuildkitd(is.Template().Spec):
		return is, w.foreignError(what, is.Meta(), "it runs no buildkitd")
	case is.Template().Labels[manifest.LabelApp] != w.name:
		return is, w.foreignError(what, is.Meta(), fmt.Sprintf("its pods lack the label %s=%s, by which builders are found", manifest.LabelApp, w.name))
	}
	return is, nil
}

// ownerLabels are the labels by which makers of objects mark them.
var ownerLabels = []string{
	manifest.LabelManagedBy, "app.kubernetes.io/instance", "app.kubernetes.io/part-of", "app.kubernetes.io/name", manifest.LabelApp, manifest.LabelOwner,
	"helm.sh/chart", "argocd.argoproj.io/instance", "kustomize.toolkit.fluxcd.io/name",
}

// foreignError is the refusal to write or delete what somebody else has made. object
// is kind and name, why says more.
func (w *workload) foreignError(object string, meta metav1.Object, why string) error {
	var marks []string
	for _, key := range ownerLabels {
		if value, ok := meta.GetLabels()[key]; ok {
			marks = append(marks, key+"="+value)
		}
	}
	labels := "it has no label that says whose it is"
	if len(marks) > 0 {
		labels = "its labels are " + strings.Join(marks, ", ")
	}
	if why != "" {
		why = "; " + why
	}
	return &kube.Error{
		Reason:  kube.ReasonForeign,
		Message: fmt.Sprintf("%s in namespace %s is not slipway's, and node %s needs the name: %s%s", object, w.namespace, w.node.Name, labels, why),
		Advice: []string{
			fmt.Sprintf("see what it is: kubectl get --namespace %s %s -o yaml", w.namespace, object),
			"give the node another name or namespace in the definition, or have it removed by whoever made it",
		},
	}
}

// objectStore is what writing takes of a client.
type objectStore[T any] interface {
	Create(ctx context.Context, object T, options metav1.CreateOptions) (T, error)
	Get(ctx context.Context, name string, options metav1.GetOptions) (T, error)
	Update(ctx context.Context, object T, options metav1.UpdateOptions) (T, error)
}

// writeObject creates an object of the workload, or brings up to date what is
// there and the workload's own. An object with a resource version was read and
// judged before and is only updated; that somebody else was faster is then an
// error for which apierrors.IsConflict is true.
func writeObject[T metav1.Object](ctx context.Context, w *workload, kind string, client objectStore[T], wanted T, same func(is, wanted T) bool) error {
	object := kind + " " + wanted.GetName()
	update := metav1.UpdateOptions{FieldManager: kube.FieldManager}
	if wanted.GetResourceVersion() != "" {
		_, err := client.Update(ctx, wanted, update)
		return w.explain(err, "update "+object)
	}
	return w.retryOnConflict(ctx, "write "+object, func() error {
		_, err := client.Create(ctx, wanted, metav1.CreateOptions{FieldManager: kube.FieldManager})
		if !apierrors.IsAlreadyExists(err) {
			return w.explain(err, "create "+object)
		}
		is, err := client.Get(ctx, wanted.GetName(), metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return raced(object)
		case err != nil:
			return w.explain(err, "read "+object)
		case !w.owns(is):
			return w.foreignError(object, is, "")
		case same(is, wanted) && hasMetadata(is, wanted):
			return nil
		}
		wanted.SetResourceVersion(is.GetResourceVersion())
		_, err = client.Update(ctx, wanted, update)
		wanted.SetResourceVersion("")
		if apierrors.IsNotFound(err) {
			return raced(object)
		}
		return w.explain(err, "update "+object)
	})
}

// hasMetadata is true when an object has the labels and annotations of another.
func hasMetadata(is, wanted metav1.Object) bool {
	has := func(is, wanted map[string]string) bool {
		return !slices.ContainsFunc(slices.Collect(maps.Keys(wanted)), func(key string) bool { return is[key] != wanted[key] })
	}
	return has(is.GetLabels(), wanted.GetLabels()) && has(is.GetAnnotations(), wanted.GetAnnotations())
}

func sameConfigMap(is, wanted *corev1.ConfigMap) bool {
	return equality.Semantic.DeepEqual(is.Data, wanted.Data) && equality.Semantic.DeepEqual(is.BinaryData, wanted.BinaryData)
}

func sameSecret(is, wanted *corev1.Secret) bool {
	return equality.Semantic.DeepEqual(is.Data, wanted.Data)
}

// writeFiles writes what the workload's pods mount.
func (w *workload) writeFiles(ctx context.Context, objects manifest.Objects) error {
	for _, cm := range objects.ConfigMaps {
		if err := writeObject(ctx, w, "configmap", w.client.api.ConfigMaps(w.namespace), cm, sameConfigMap); err != nil {
			return err
		}
	}
	for _, s := range objects.Secrets {
		if err := writeObject(ctx, w, "secret", w.client.api.Secrets(w.namespace), s, sameSecret); err != nil {
			return err
		}
	}
	return nil
}
