package cluster

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
)

// get reads the workload of a kind; its error is the API server's.
func (w *workload) get(ctx context.Context, kind string) (manifest.Workload, error) {
	if kind == manifest.KindStatefulSet {
		s, err := w.client.api.StatefulSets(w.namespace).Get(ctx, w.name, metav1.GetOptions{})
		return manifest.Workload{StatefulSet: s}, err
	}
	d, err := w.client.api.Deployments(w.namespace).Get(ctx, w.name, metav1.GetOptions{})
	return manifest.Workload{Deployment: d}, err
}

// put writes the workload where nobody has written it since it was read, and
// returns it as it then is; with dryRun as it would be. Its error is the API
// server's.
func (w *workload) put(ctx context.Context, h manifest.Workload, dryRun bool) (manifest.Workload, error) {
	options := metav1.UpdateOptions{FieldManager: kube.FieldManager}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	if h.StatefulSet != nil {
		s, err := w.client.api.StatefulSets(w.namespace).Update(ctx, h.StatefulSet, options)
		return manifest.Workload{StatefulSet: s}, err
	}
	d, err := w.client.api.Deployments(w.namespace).Update(ctx, h.Deployment, options)
	return manifest.Workload{Deployment: d}, err
}
