package cluster

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/slipway-build/slipway/configmap"
)

// unlogged marks the context of a request whose warnings are an answer and are
// told in another place.
type unlogged struct{}

// Trial is what the cluster would say to a node's workload.
type Trial struct {
	// Pod is true when the pod itself was tried, too, which takes the right to
	// create pods. Quotas count pods only.
	Pod bool
	// Warnings are what the API server says of a workload that it takes.
	Warnings []string
	// Hints are what to do about the warnings.
	Hints []string
}

// Try has the API server check node's workload, and its pod where the identity
// may create pods, and creates neither. Errors are of type *Error but for
// those of ctx; one with ReasonForbidden says that the workload must not even
// be tried.
func (c *Client) Try(ctx context.Context, node configmap.Node) (Trial, error) {
	w := newWorkload(c, node, nil)
	objects, err := Manifest(node, w.namespace)
	if err != nil {
		return Trial{}, err
	}
	ctx = context.WithValue(quiet(ctx), unlogged{}, true)
	var template corev1.PodTemplateSpec
	var workload rest.Result
	if s := objects.StatefulSet; s != nil {
		template, workload = s.Spec.Template, c.dryRun(ctx, c.apps, "statefulsets", w.namespace, s)
	} else {
		d := objects.Deployment
		template, workload = d.Spec.Template, c.dryRun(ctx, c.apps, "deployments", w.namespace, d)
	}
	// What is refused is refused before the name is looked at.
	if err := workload.Error(); err != nil && !apierrors.IsAlreadyExists(err) {
		return Trial{}, w.explain(err, "try to create "+w.String())
	}
	var trial Trial
	for _, warning := range workload.Warnings() {
		trial.Warnings = append(trial.Warnings, warning.Text)
		if reason, hints := refusal(warning.Text); reason == ReasonAdmission {
			trial.Hints = hints
		}
	}
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: template.ObjectMeta,
		Spec:       template.Spec,
	}
	pod.Namespace, pod.GenerateName = w.namespace, w.name+"-"
	err = w.explain(c.dryRun(ctx, c.core, "pods", w.namespace, pod).Error(), "try to create a pod of "+w.String())
	if known := (*Error)(nil); errors.As(err, &known) && known.Reason == ReasonForbidden {
		return trial, nil
	}
	trial.Pod = true
	return trial, err
}

func (c *Client) dryRun(ctx context.Context, group rest.Interface, resource, namespace string, object metav1.Object) rest.Result {
	return group.Post().
		Namespace(namespace).
		Resource(resource).
		VersionedParams(&metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: managedBy}, c.parameters).
		Body(object).
		Do(ctx)
}
