package judge

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
)

// WaitsFor says what a live pod that is not ready waits for, as far as the pod
// itself tells. grace is how long it may be unschedulable.
func WaitsFor(p *corev1.Pod, grace time.Duration) string {
	return strings.TrimPrefix(examinePod(p, nil, grace).line, "pod "+p.Name+": ")
}

// ReadySince is when a pod became ready, zero when it is not.
func ReadySince(p *corev1.Pod) time.Time {
	if !kube.IsReady(p) {
		return time.Time{}
	}
	return kube.PodCondition(p, corev1.PodReady).LastTransitionTime.Time
}

// OtherContainers are those of a pod that end only when they are told to.
func OtherContainers(spec corev1.PodSpec) []string {
	var names []string
	for _, c := range spec.Containers {
		if c.Name != manifest.ContainerName {
			names = append(names, c.Name)
		}
	}
	return names
}

// OutOfMemory is when buildkitd's last run was ended for want of memory, and the
// limit that it has.
func OutOfMemory(p *corev1.Pod) (at time.Time, limit string) {
	s := containerStatus(p.Status.ContainerStatuses, manifest.ContainerName)
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

// IsRunning is true while buildkitd's container does.
func IsRunning(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		return c.Name == manifest.ContainerName && c.State.Running != nil
	})
}
