package cluster

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipway-build/slipway/agent/cluster/diff"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// revision is that of the node's definition; it has no hash where the policy
// compares nothing.
func (w *workload) revision() (diff.Revision, error) {
	want := diff.Revision{Policy: w.node.Kubernetes.Drift}
	if !diff.Compares(want.Policy) {
		return want, nil
	}
	return withHash(want, w.objects)
}

// withExecRevision adds pods of a workload that is reached by exec for want of
// certificates: they are of the definition, too. They are few, and to make
// their hash costs up to a millisecond.
func (w *workload) withExecRevision(want diff.Revision) (diff.Revision, error) {
	return withHash(want, w.execObjects)
}

func withHash(want diff.Revision, of func() (manifest.Objects, error)) (diff.Revision, error) {
	objects, err := of()
	if err != nil {
		return want, err
	}
	want.Hashes = append(want.Hashes, objects.Hash())
	return want, nil
}

// reconcileDrift returns those of the pods that the build may use, after it has
// done what the policy says where they are of another definition. Where all are
// of this one, it costs no request.
func (w *workload) reconcileDrift(ctx context.Context, want diff.Revision, pods []*corev1.Pod) ([]*corev1.Pod, error) {
	w.outdated = w.client.outdatedPods(w.key())
	pods = w.acceptedPods(pods)
	r := want.Examine(pods)
	if r.Doubtful {
		var err error
		if want, err = w.withExecRevision(want); err != nil {
			return nil, err
		}
		r = want.Examine(pods)
	}
	switch {
	case !r.Doubtful:
		return pods, nil
	case r.Ready:
		// The others are about to be replaced.
		return r.Current, nil
	case len(r.Current) > 0 && want.Policy != configmap.DriftApply:
		// The new ones are on their way; the old ones finish what they begin.
		return pods, nil
	case len(r.Current) == 0:
		fresh, err := w.reconcile(ctx)
		if apierrors.IsNotFound(err) {
			// Pods without a workload still build.
			return pods, nil
		}
		if err != nil || !fresh || want.Policy != configmap.DriftApply {
			return pods, err
		}
		w.outdated = w.client.outdatedPods(w.key())
	}
	w.hashes = want.Hashes
	return w.acceptedPods(pods), nil
}

// accepts is false for pods that are not to be used or waited for.
func (w *workload) accepts(p *corev1.Pod) bool {
	if w.outdated[p.UID] {
		return false
	}
	return len(w.hashes) == 0 || diff.Revision{Hashes: w.hashes}.State(p.Labels, p.Annotations) == diff.Current
}

func (w *workload) acceptedPods(pods []*corev1.Pod) []*corev1.Pod {
	var out []*corev1.Pod
	for _, p := range pods {
		if w.accepts(p) {
			out = append(out, p)
		}
	}
	return out
}

// reconcileWorkload does what the policy says about a workload that has no pod to
// tell.
func (w *workload) reconcileWorkload(ctx context.Context, is workloadState) error {
	want, err := w.revision()
	if err != nil || !want.NeedsComparison(want.State(is.labels, is.annotations)) {
		return err
	}
	want, err = w.withExecRevision(want)
	if err != nil || !want.NeedsComparison(want.State(is.labels, is.annotations)) {
		return err
	}
	_, err = w.reconcile(ctx)
	return err
}

func (c *Client) outdatedPods(key string) map[types.UID]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.outdated[key]
}
