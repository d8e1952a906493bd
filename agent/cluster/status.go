package cluster

import (
	"cmp"
	"context"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/judge"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
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
	// Owner is what its label says, empty without one.
	Owner string
	// Created is when the workload was made.
	Created time.Time
	// Replicas are wanted, Ready are ready by the controller's count.
	Replicas, Ready int32
	// Pods are by name and include those that terminate.
	Pods []PodStatus
	// Usable are the pods that a build may use, as Up returns them.
	Usable []kube.Pod

	// version is the workload's resource version when it was read.
	version string
}

// PodStatus is what there is of one pod.
type PodStatus struct {
	Name string
	// Phase is Kubernetes' word: Pending, Running, Succeeded, Failed, Unknown.
	Phase string
	Ready bool
	// ReadySince is when it became so, zero when it is not.
	ReadySince time.Time
	// Running is true while its buildkitd runs, ready or not.
	Running     bool
	Terminating bool
	// ClusterNode is empty until the pod is scheduled.
	ClusterNode string
	// Created is when the pod was made.
	Created time.Time
	// Profile is what keeps its builds away from the cluster node.
	Profile configmap.Profile
	// Beside are the containers beside buildkitd that are no native sidecars: a
	// pod that is asked to stop waits for them as long as for its builds.
	Beside []string
	// OutOfMemory is when its buildkitd was last ended for want of memory, zero
	// if its last end had another reason. MemoryLimit is its limit, empty without
	// one.
	OutOfMemory time.Time
	MemoryLimit string
	// Waiting says what a live pod that is not ready waits for, else empty.
	Waiting string
}

// Status reads how node's workload is. It creates and changes nothing. With an
// error about its pods it returns what is known of the workload itself.
func (c *Client) Status(ctx context.Context, node configmap.Node) (Status, error) {
	ctx = kube.Quiet(ctx)
	w := newWorkload(c, node, nil)
	s := Status{Kind: manifest.Kind(node), Namespace: w.namespace, Name: w.name}
	if err := w.read(ctx, &s); err != nil {
		if apierrors.IsNotFound(err) {
			return s, nil
		}
		return Status{}, w.explain(err, "get "+w.String())
	}
	pods, err := w.list(ctx)
	if err != nil {
		return s, err
	}
	s.Usable = judge.ReadyPods(pods)
	for _, p := range pods {
		ps := PodStatus{
			Name:        p.Name,
			Phase:       string(p.Status.Phase),
			Ready:       kube.IsReady(p),
			ReadySince:  judge.ReadySince(p),
			Running:     judge.IsRunning(p),
			Terminating: p.DeletionTimestamp != nil,
			ClusterNode: p.Spec.NodeName,
			Created:     p.CreationTimestamp.Time,
			Profile:     manifest.ProfileOf(p.Spec),
			Beside:      judge.OtherContainers(p.Spec),
		}
		ps.OutOfMemory, ps.MemoryLimit = judge.OutOfMemory(p)
		if kube.IsLive(p) && !ps.Ready {
			ps.Waiting = judge.WaitsFor(p, node.Kubernetes.UnschedulableGrace)
		}
		s.Pods = append(s.Pods, ps)
	}
	slices.SortFunc(s.Pods, func(a, b PodStatus) int { return cmp.Compare(a.Name, b.Name) })
	return s, nil
}

func (w *workload) read(ctx context.Context, s *Status) error {
	var meta metav1.ObjectMeta
	var replicas *int32
	if s.Kind == manifest.KindStatefulSet {
		o, err := w.client.api.StatefulSets(w.namespace).Get(ctx, w.name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		meta, replicas, s.Ready = o.ObjectMeta, o.Spec.Replicas, o.Status.ReadyReplicas
	} else {
		o, err := w.client.api.Deployments(w.namespace).Get(ctx, w.name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		meta, replicas, s.Ready = o.ObjectMeta, o.Spec.Replicas, o.Status.ReadyReplicas
	}
	s.Exists = true
	s.Managed = w.owns(&meta)
	s.Owner, s.Created, s.version = meta.Labels[manifest.LabelOwner], meta.CreationTimestamp.Time, meta.ResourceVersion
	s.Replicas = 1
	if replicas != nil {
		s.Replicas = *replicas
	}
	return nil
}
