package cluster

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

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
// may create pods, and creates neither. Errors are of type *kube.Error but for
// those of ctx; one with ReasonForbidden says that the workload must not even
// be tried.
func (c *Client) Try(ctx context.Context, node configmap.Node) (Trial, error) {
	w := newWorkload(c, node, nil)
	objects, err := manifest.Of(node, w.namespace)
	if err != nil {
		return Trial{}, err
	}
	ctx = kube.WithoutWarnings(kube.Quiet(ctx))
	var template corev1.PodTemplateSpec
	var warnings []string
	if s := objects.StatefulSet; s != nil {
		template = s.Spec.Template
		warnings, err = c.api.DryRun(ctx, "statefulsets", w.namespace, s)
	} else {
		d := objects.Deployment
		template = d.Spec.Template
		warnings, err = c.api.DryRun(ctx, "deployments", w.namespace, d)
	}
	// What is refused is refused before the name is looked at.
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return Trial{}, w.explain(err, "try to create "+w.String())
	}
	trial := Trial{Warnings: warnings}
	for _, warning := range warnings {
		if reason, hints := kube.Refusal(warning); reason == kube.ReasonAdmission {
			trial.Hints = hints
		}
	}
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: template.ObjectMeta,
		Spec:       template.Spec,
	}
	pod.Namespace, pod.GenerateName = w.namespace, w.name+"-"
	_, err = c.api.DryRun(ctx, "pods", w.namespace, pod)
	err = w.explain(err, "try to create a pod of "+w.String())
	if known := (*kube.Error)(nil); errors.As(err, &known) && known.Reason == kube.ReasonForbidden {
		return trial, nil
	}
	trial.Pod = true
	return trial, err
}
