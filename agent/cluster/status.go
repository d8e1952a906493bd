package cluster

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

// Status reads how node's workload is. It creates and changes nothing.
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
		return Status{}, err
	}
	s.Usable = readyPods(pods)
	for _, p := range pods {
		ps := PodStatus{
			Name:        p.Name,
			Phase:       string(p.Status.Phase),
			Ready:       kube.IsReady(p),
			ReadySince:  readySince(p),
			Running:     runs(p),
			Terminating: p.DeletionTimestamp != nil,
			ClusterNode: p.Spec.NodeName,
			Created:     p.CreationTimestamp.Time,
			Profile:     manifest.ProfileOf(p.Spec),
			Beside:      containersBeside(p.Spec),
		}
		ps.OutOfMemory, ps.MemoryLimit = outOfMemory(p)
		if kube.IsLive(p) && !ps.Ready {
			f := examinePod(p, nil, node.Kubernetes.UnschedulableGrace)
			ps.Waiting = strings.TrimPrefix(f.line, "pod "+p.Name+": ")
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

// readySince is when a pod became ready, zero when it is not.
func readySince(p *corev1.Pod) time.Time {
	if !kube.IsReady(p) {
		return time.Time{}
	}
	return kube.PodCondition(p, corev1.PodReady).LastTransitionTime.Time
}

// containersBeside are those of a pod that end only when they are told to.
func containersBeside(spec corev1.PodSpec) []string {
	var names []string
	for _, c := range spec.Containers {
		if c.Name != manifest.ContainerName {
			names = append(names, c.Name)
		}
	}
	return names
}

// outOfMemory is when buildkitd's last run was ended for want of memory, and the
// limit that it has.
func outOfMemory(p *corev1.Pod) (at time.Time, limit string) {
	s := status(p.Status.ContainerStatuses, manifest.ContainerName)
	if s == nil {
		return time.Time{}, ""
	}
	last := s.LastTerminationState.Terminated
	if last == nil || last.Reason != "OOMKilled" {
		return time.Time{}, ""
	}
	if c := manifest.BuildkitdContainer(&p.Spec); c != nil && !c.Resources.Limits.Memory().IsZero() {
		limit = c.Resources.Limits.Memory().String()
	}
	return last.FinishedAt.Time, limit
}

// runs is true while buildkitd's container does.
func runs(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		return c.Name == manifest.ContainerName && c.State.Running != nil
	})
}
