package manifest

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// drainScript waits while anybody is connected to buildkitd. The kubelet runs
// it before it sends SIGTERM, and no longer than the pod's grace period: after
// the signal buildkitd ends running requests, but takes no further one, and a
// build is many of them.
//
// The clients are the established connections to ListenPort (04D2; a
// port-forward is one too) and the processes of buildctl dial-stdio, which
// exec starts and buildx's as well. Two looks in a row must find nobody, so
// that a build between two connections is not cut. A connection whose data was
// sent again eight times, which takes the best part of a minute, counts no
// longer: its client is gone without a word, and the kernel would try for a
// quarter of an hour. The brackets keep grep from finding itself. Only what a
// busybox has is used; what is missing counts as nobody, and the pod ends as it
// would without the script.
const drainScript = `idle=0
while :; do
  if cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ':04D2 [0-9A-F]*:[0-9A-F]* 01 [0-9A-F]*:[0-9A-F]* [0-9A-F]*:[0-9A-F]* 0000000[0-7] ' ||
    cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -qx 'dial-[s]tdio'; then
    idle=0
  else
    idle=$((idle + 1))
  fi
  test "$idle" -lt 2 || exit 0
  sleep 1 || exit 0
done
`

// stuckGrace is how long a buildkitd that has answered nothing for ten minutes
// is left to end, in seconds. With the pod's own grace its clients, who wait
// for it, would hold the restart up.
const stuckGrace = 30

// doNotDisrupt asks the autoscalers to leave the cluster node of a builder
// alone: they take one away when its pods ask for little, which says nothing of
// builds. Agents have no right to change pods, so that the marks cannot come
// and go with the builds.
var doNotDisrupt = map[string]string{
	"cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
	"karpenter.sh/do-not-disrupt":                    "true",
}

// addDrain makes a pod that is asked to stop finish its builds first, for as
// long as grace.
func addDrain(template *corev1.PodTemplateSpec, grace time.Duration) {
	template.Spec.TerminationGracePeriodSeconds = new(int64(grace / time.Second))
	template.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{
		PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", drainScript}}},
	}
	if template.Annotations == nil {
		template.Annotations = map[string]string{}
	}
	for key, value := range doNotDisrupt {
		if _, given := template.Annotations[key]; !given {
			template.Annotations[key] = value
		}
	}
}

// deploymentRollout starts new pods before it stops old ones. A quarter more,
// rounded up, is one pod for up to four and few rounds for many: a pod that
// drains counts no longer, so that no round waits for builds.
func deploymentRollout() appsv1.DeploymentStrategy {
	return appsv1.DeploymentStrategy{
		Type: appsv1.RollingUpdateDeploymentStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDeployment{
			MaxUnavailable: new(intstr.FromInt32(0)),
			MaxSurge:       new(intstr.FromString("25%")),
		},
	}
}

// statefulSetRollout stops a pod before its successor starts, for they share
// the claim. A StatefulSet has no other way.
func statefulSetRollout() appsv1.StatefulSetUpdateStrategy {
	return appsv1.StatefulSetUpdateStrategy{Type: appsv1.RollingUpdateStatefulSetStrategyType}
}
