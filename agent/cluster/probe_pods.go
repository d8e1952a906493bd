package cluster

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipway-build/slipway/agent/cluster/judge"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// Trouble looks once at what a wait for node's pods would watch, and judges as
// the wait does, but without its tolerance: one look cannot see whether a
// trouble lasts. It is for a workload without a ready pod.
func (c *Client) Trouble(ctx context.Context, node configmap.Node) (judge.Trouble, error) {
	ctx = kube.Quiet(ctx)
	w := newWorkload(c, node, nil)
	pods, err := w.list(ctx)
	if err != nil {
		return judge.Trouble{}, err
	}
	view := newView(w, pods)
	if err := view.readOnce(ctx, pods); err != nil {
		return judge.Trouble{}, err
	}
	trouble, crashed := judge.Once(view.observe(time.Now()), node.Kubernetes.UnschedulableGrace)
	if known := (*kube.Error)(nil); crashed != nil && errors.As(trouble.Err, &known) {
		w.addLog(ctx, known, *crashed)
	}
	return trouble, nil
}

// readOnce fills the view with one answer each, instead of watching. Events that
// may not be read only add reasons.
func (v *view) readOnce(ctx context.Context, pods []*corev1.Pod) error {
	c, w := v.workload.client, v.workload
	of := map[types.UID]fields.Set{}
	var all []error
	for _, p := range pods {
		all = append(all, v.pods.Add(p))
		of[p.UID] = fields.Set{"involvedObject.uid": string(p.UID)}
	}
	if manifest.Kind(w.node) == manifest.KindStatefulSet {
		s, err := c.api.StatefulSets(w.namespace).Get(ctx, w.name, metav1.GetOptions{})
		if err != nil {
			return w.explain(err, "get "+w.String())
		}
		all = append(all, v.statefulSets.Add(s))
		of[ofWorkload] = fields.Set{"involvedObject.kind": manifest.KindStatefulSet, "involvedObject.name": w.name}
	} else {
		d, err := c.api.Deployments(w.namespace).Get(ctx, w.name, metav1.GetOptions{})
		if err != nil {
			return w.explain(err, "get "+w.String())
		}
		all = append(all, v.deployments.Add(d))
	}
	for key, which := range of {
		events, err := c.api.Events(w.namespace).List(ctx, metav1.ListOptions{FieldSelector: which.AsSelector().String()})
		if err != nil {
			c.log.Debug().Err(err).Str("workload", w.name).Msg("events are not to be had; the look goes on without them")
			continue
		}
		mirror := kube.NewMirror[*corev1.Event](v.notify)
		for i := range events.Items {
			all = append(all, mirror.Add(&events.Items[i]))
		}
		v.events[key] = mirror
	}
	return errors.Join(all...)
}
