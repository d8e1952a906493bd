package cluster

import (
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// looks is true for the policies that compare at all.
func looks(policy configmap.Drift) bool {
	return policy != "" && policy != configmap.DriftIgnore
}

// wanted tells by their hash whether pods are of the node's definition.
type wanted struct {
	policy configmap.Drift
	hashes []string
}

// wants makes a wanted.
func (w *workload) wants() (wanted, error) {
	want := wanted{policy: w.node.Kubernetes.Drift}
	if !looks(want.policy) {
		return want, nil
	}
	return want.with(w.node, w.namespace)
}

// widen adds pods of a workload that is reached by exec for want of
// certificates: they are of the definition, too. They are few, and to make
// their hash costs up to a millisecond.
func (w *workload) widen(want wanted) (wanted, error) {
	return want.with(manifest.WithoutListener(w.node), w.namespace)
}

func (n wanted) with(node configmap.Node, namespace string) (wanted, error) {
	objects, err := manifest.Of(node, namespace)
	if err != nil {
		return n, err
	}
	n.hashes = append(n.hashes, objects.Workload.Hash())
	return n, nil
}

// standing is what the labels and annotations of a pod tell.
type standing int

const (
	// current: of this definition, as far as a hash tells.
	current standing = iota
	// unknown: of others, who write no hash.
	unknown
	// stale: of another definition.
	stale
)

func (n wanted) standing(labels, annotations map[string]string) standing {
	hash := annotations[manifest.AnnotationSpecHash]
	if hash != "" && slices.Contains(n.hashes, hash) {
		return current
	}
	if hash == "" && labels[manifest.LabelManagedBy] != manifest.ManagedBy {
		return unknown
	}
	return stale
}

// asks is true when a workload or pods of that standing are worth a closer
// look. What others made has no hash before it was first brought up to date,
// and a build that would only warn does not spend requests on it each time.
func (n wanted) asks(s standing) bool {
	switch n.policy {
	case configmap.DriftWarn:
		return s == stale
	case configmap.DriftApply, configmap.DriftFail:
		return s != current
	}
	return false
}

// rollout is how the live pods of a workload stand.
type rollout struct {
	// current are of the definition; ready is true when one of them is.
	current []*corev1.Pod
	ready   bool
	// doubtful is true when others are worth a closer look.
	doubtful bool
}

func (n wanted) examine(pods []*corev1.Pod) rollout {
	var r rollout
	for _, p := range pods {
		if !kube.IsLive(p) {
			continue
		}
		s := n.standing(p.Labels, p.Annotations)
		if s == current {
			r.current = append(r.current, p)
			r.ready = r.ready || kube.IsReady(p)
		} else if n.asks(s) {
			r.doubtful = true
		}
	}
	return r
}

// settle returns those of the pods that the build may use, after it has done
// what the policy says where they are of another definition. Where all are of
// this one, it costs no request.
func (w *workload) settle(ctx context.Context, want wanted, pods []*corev1.Pod) ([]*corev1.Pod, error) {
	w.outdated = w.client.outdatedPods(w.client.dialer.workloadKey(w.node))
	pods = w.accepted(pods)
	r := want.examine(pods)
	if r.doubtful {
		var err error
		if want, err = w.widen(want); err != nil {
			return nil, err
		}
		r = want.examine(pods)
	}
	switch {
	case !r.doubtful:
		return pods, nil
	case r.ready:
		// The others are about to be replaced.
		return r.current, nil
	case len(r.current) > 0 && want.policy != configmap.DriftApply:
		// The new ones are on their way; the old ones finish what they begin.
		return pods, nil
	case len(r.current) == 0:
		fresh, err := w.reconcile(ctx)
		if apierrors.IsNotFound(err) {
			// Pods without a workload still build.
			return pods, nil
		}
		if err != nil || !fresh || want.policy != configmap.DriftApply {
			return pods, err
		}
		w.outdated = w.client.outdatedPods(w.client.dialer.workloadKey(w.node))
	}
	w.hashes = want.hashes
	return w.accepted(pods), nil
}

// accepts is false for pods that are not to be used or waited for.
func (w *workload) accepts(p *corev1.Pod) bool {
	if w.outdated[p.UID] {
		return false
	}
	return len(w.hashes) == 0 || wanted{hashes: w.hashes}.standing(p.Labels, p.Annotations) == current
}

func (w *workload) accepted(pods []*corev1.Pod) []*corev1.Pod {
	var out []*corev1.Pod
	for _, p := range pods {
		if w.accepts(p) {
			out = append(out, p)
		}
	}
	return out
}

// settleWorkload does what the policy says about a workload that has no pod to
// tell.
func (w *workload) settleWorkload(ctx context.Context, is found) error {
	want, err := w.wants()
	if err != nil || !want.asks(want.standing(is.labels, is.annotations)) {
		return err
	}
	want, err = w.widen(want)
	if err != nil || !want.asks(want.standing(is.labels, is.annotations)) {
		return err
	}
	_, err = w.reconcile(ctx)
	return err
}

// outdatedBy are those pods of a workload that are replaced when its template
// changes. The hash does not tell: after somebody's change by hand is undone,
// pods from before it, which stay, pods of it and new ones have the same. So
// each is looked at in the fields in which the templates differ; all else in it
// may be admission's.
func outdatedBy(pods []*corev1.Pod, was, is corev1.PodTemplateSpec) (map[types.UID]bool, error) {
	changed, err := compareTemplates(was, is)
	if err != nil {
		return nil, err
	}
	outdated := map[types.UID]bool{}
	for _, p := range pods {
		differ, err := compareTemplates(corev1.PodTemplateSpec{ObjectMeta: p.ObjectMeta, Spec: p.Spec}, is)
		if err != nil {
			return nil, err
		}
		outdated[p.UID] = slices.ContainsFunc(differ, func(d difference) bool {
			return slices.ContainsFunc(changed, func(c difference) bool { return c.path == d.path })
		})
	}
	return outdated, nil
}

func (c *Client) outdatedPods(key string) map[types.UID]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.outdated[key]
}
