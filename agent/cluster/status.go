package cluster

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/configmap"
)

// Status is what there is of a node's workload.
type Status struct {
	// Kind is KindDeployment or KindStatefulSet.
	Kind      string
	Namespace string
	Name      string
	// Exists is false when there is no such workload; then all below is zero.
	Exists bool
	// Managed is true when Slipway made it.
	Managed bool
	// Replicas are wanted, Ready are ready by the controller's count.
	Replicas, Ready int32
	// Pods are by name and include those that terminate.
	Pods []PodStatus
	// Usable are the pods that a build may use, as Up returns them.
	Usable []Pod
}

// PodStatus is what there is of one pod.
type PodStatus struct {
	Name string
	// Phase is Kubernetes' word: Pending, Running, Succeeded, Failed, Unknown.
	Phase       string
	Ready       bool
	Terminating bool
	// ClusterNode is empty until the pod is scheduled.
	ClusterNode string
	// Created is when the pod was made.
	Created time.Time
	// Profile is what keeps its builds away from the cluster node.
	Profile Profile
	// Waiting says what a live pod that is not ready waits for, else empty.
	Waiting string
}

// Status reads how node's workload is. It creates and changes nothing.
func (c *Client) Status(ctx context.Context, node configmap.Node) (Status, error) {
	ctx = quiet(ctx)
	w := newWorkload(c, node, nil)
	s := Status{Kind: Kind(node), Namespace: w.namespace, Name: w.name}
	if err := w.read(ctx, &s); err != nil {
		if apierrors.IsNotFound(err) {
			return s, nil
		}
		return Status{}, w.explain(err, "get "+w.String())
	}
	pods, err := w.list(ctx)
	if err != nil {
		return Status{}, err
	}
	s.Usable = readyPods(pods)
	for _, p := range pods {
		ps := PodStatus{
			Name:        p.Name,
			Phase:       string(p.Status.Phase),
			Ready:       isReady(p),
			Terminating: p.DeletionTimestamp != nil,
			ClusterNode: p.Spec.NodeName,
			Created:     p.CreationTimestamp.Time,
			Profile:     profileOf(p.Spec),
		}
		if isLive(p) && !ps.Ready {
			f := examinePod(p, nil, node.Kubernetes.UnschedulableGrace)
			ps.Waiting = strings.TrimPrefix(f.line, "pod "+p.Name+": ")
		}
		s.Pods = append(s.Pods, ps)
	}
	slices.SortFunc(s.Pods, func(a, b PodStatus) int { return cmp.Compare(a.Name, b.Name) })
	return s, nil
}

func (w *workload) read(ctx context.Context, s *Status) error {
	var labels map[string]string
	var replicas *int32
	if s.Kind == KindStatefulSet {
		o, err := w.client.statefulSets(w.namespace).Get(ctx, w.name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		labels, replicas, s.Ready = o.Labels, o.Spec.Replicas, o.Status.ReadyReplicas
	} else {
		o, err := w.client.deployments(w.namespace).Get(ctx, w.name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		labels, replicas, s.Ready = o.Labels, o.Spec.Replicas, o.Status.ReadyReplicas
	}
	s.Exists = true
	s.Managed = labels[labelManagedBy] == managedBy
	s.Replicas = 1
	if replicas != nil {
		s.Replicas = *replicas
	}
	return nil
}
