package judge

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
)

// TestFrailtyOfAPod reads off a pod what the doctor warns of.
func TestFrailtyOfAPod(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	p := clustertest.Pod("a", "hash", true)
	p.Spec.InitContainers = []corev1.Container{{Name: "native", RestartPolicy: &always}}
	if got := OtherContainers(p.Spec); len(got) > 0 {
		t.Errorf("a native sidecar counts: %q", got)
	}
	p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "istio-proxy"})
	if got := OtherContainers(p.Spec); !slices.Equal(got, []string{"istio-proxy"}) {
		t.Errorf("beside buildkitd: %q", got)
	}
	at := metav1.NewTime(time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC))
	ended := func(container, reason string) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: container, LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: reason, FinishedAt: at}}}
	}
	p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")}
	for _, tt := range []struct {
		status corev1.ContainerStatus
		limit  string
	}{
		{ended(manifest.ContainerName, "OOMKilled"), "2Gi"},
		{ended(manifest.ContainerName, "Error"), ""},
		{ended("istio-proxy", "OOMKilled"), ""},
		{corev1.ContainerStatus{Name: manifest.ContainerName}, ""},
	} {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{tt.status}
		when, limit := OutOfMemory(p)
		if limit != tt.limit || when.IsZero() != (tt.limit == "") {
			t.Errorf("%+v: at %s with the limit %q, want %q", tt.status, when, limit, tt.limit)
		}
	}
}
