package cluster

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// kindReplicaSet is the kind between a Deployment and its pods.
const kindReplicaSet = "ReplicaSet"

// isMember is true for a pod that runs buildkitd and whose controller is the
// workload's by name: its StatefulSet, or a ReplicaSet with the name that a
// Deployment gives it. That is all that a list of pods tells; a label alone is
// anybody's. Whoever creates pods can write an owner, too, so what is at stake
// is decided by the server's certificate or, without one, by checkOwner.
func (w *workload) isMember(p *corev1.Pod) bool {
	owner := metav1.GetControllerOf(p)
	if owner == nil || owner.APIVersion != appsv1.SchemeGroupVersion.String() || !manifest.RunsBuildkitd(p.Spec) {
		return false
	}
	switch owner.Kind {
	case manifest.KindStatefulSet:
		return owner.Name == w.name
	case kindReplicaSet:
		return owner.Name == w.name+"-"+p.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	}
	return false
}

// checkOwner fails unless pod belongs to node's workload that exists, by the UIDs
// from pod to ReplicaSet to Deployment, or from pod to StatefulSet. It is for
// exec, where the pod shows no certificate. It takes one round trip, once for
// each pod in the client's life. Without the right to see the ReplicaSet,
// unchecked warns of that.
func (c *Client) checkOwner(ctx context.Context, node configmap.Node, pod kube.Pod) (unchecked func(), err error) {
	w := newWorkload(c, node, nil)
	c.mu.Lock()
	known := c.members[pod.UID]
	c.mu.Unlock()
	if known {
		return nil, nil
	}
	kind := manifest.KindStatefulSet
	if pod.Owner.Kind == kindReplicaSet {
		kind = manifest.KindDeployment
	}
	what := strings.ToLower(kind) + " " + w.name
	var is manifest.Workload
	var set *metav1.ObjectMeta
	group, ctx := errgroup.WithContext(ctx)
	group.Go(fault.Guard(func() (err error) {
		is, err = w.get(ctx, kind)
		if apierrors.IsNotFound(err) {
			return w.foreignPodError(pod, what, "there is no "+what)
		}
		return w.explain(err, "get "+what)
	}))
	if kind != manifest.Kind(w.node) {
		// A definition may have changed since its workload was made. Where there
		// is a workload of its kind, one of the other kind is somebody else's.
		group.Go(fault.Guard(func() error {
			_, err := w.get(ctx, manifest.Kind(w.node))
			switch {
			case err == nil:
				return w.foreignPodError(pod, w.String(), "its owner is "+what)
			case apierrors.IsNotFound(err):
				return nil
			}
			return w.explain(err, "get "+w.String())
		}))
	}
	if kind == manifest.KindDeployment {
		group.Go(fault.Guard(func() error {
			found, err := c.api.ReplicaSets(w.namespace).Get(ctx, pod.Owner.Name, metav1.GetOptions{})
			switch {
			case err == nil:
				set = &found.ObjectMeta
				return nil
			case apierrors.IsNotFound(err):
				return w.foreignPodError(pod, what, "there is no replicaset "+pod.Owner.Name)
			case kube.IsMissingRight(err):
				// A role that buildx is content with has no such right.
				unchecked = func() {
					w.warnOnce(fmt.Sprintf("without the right to get replicasets in namespace %s it cannot be checked by UID that pods reached by exec belong to %s; docs/security.md", w.namespace, what))
				}
				return nil
			}
			return w.explain(err, "get replicaset "+pod.Owner.Name)
		}))
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if why := notOwned(pod, is, set); why != "" {
		if unchecked != nil {
			unchecked()
		}
		return nil, w.foreignPodError(pod, what, why)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members[pod.UID] = true
	return unchecked, nil
}

// notOwned says why a pod is none of the workload's; empty if it is one. set is
// the ReplicaSet of the name that the pod gives for its owner; nil where there
// is none between them or it could not be read.
func notOwned(pod kube.Pod, is manifest.Workload, set *metav1.ObjectMeta) string {
	switch {
	case is.StatefulSet != nil && pod.Owner.UID != is.Meta().UID:
		return "its owner is another statefulset of that name"
	case set != nil && pod.Owner.UID != set.UID:
		return "its owner is another replicaset than the one named " + set.Name
	case set != nil && !metav1.IsControlledBy(set, is.Meta()):
		return "its replicaset " + set.Name + " is not the deployment's"
	case is.Listens() && !pod.Listens:
		return "the workload's pods take TLS connections and this one says that it does not"
	}
	return ""
}

// foreignPodError is the refusal to use a pod that passes itself off as one of the
// workload's.
func (w *workload) foreignPodError(pod kube.Pod, what, why string) error {
	return &kube.Error{
		Reason:  kube.ReasonForeign,
		Message: fmt.Sprintf("pod %s is none of %s: %s", pod, what, why),
		Advice:  []string{fmt.Sprintf("somebody else may have made it, and builds must not go there: kubectl get pod --namespace %s %s -o yaml; see docs/security.md", pod.Namespace, pod.Name)},
	}
}
