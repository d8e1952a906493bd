package judge

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
)

// pullTolerance is how long pulls may fail for a reason that could pass, such
// as a registry that answers 503. The kubelet tries again after 10 and then 20
// seconds, so at least two pulls have failed by then.
const pullTolerance = 25 * time.Second

// permanentPullFailure matches the words of a pull that no repetition mends.
var permanentPullFailure = regexp.MustCompile(`(?i)not found|manifest unknown|does not exist|no such host|unauthorized|authentication required|denied|forbidden|invalid reference|no match for platform`)

// containerTroubles are the kubelet's reasons for a container that does not
// get started. Pulls and crash loops, which need a closer look, are not here.
//
//	https://github.com/kubernetes/kubernetes/blob/v1.37.0/pkg/kubelet/container/sync_result.go
var containerTroubles = map[string]struct {
	reason kube.Reason
	grace  bool // else it fails at once
	hint   string
}{
	"InvalidImageName":           {reason: kube.ReasonImage, hint: "mend the driver-opt image= (or qemu.image=) of the definition"},
	"ErrImageNeverPull":          {reason: kube.ReasonImage, hint: "the pull policy is Never and the image is not on the cluster node: load it there or change imagePullPolicy in podTemplate"},
	"CreateContainerConfigError": {reason: kube.ReasonContainer, hint: "a ConfigMap, Secret or key that the pod refers to is missing, or the image's user does not fit its securityContext"},
	// These two can pass when the runtime is overloaded.
	"CreateContainerError": {reason: kube.ReasonContainer, grace: true, hint: "the container runtime refuses the container: see what podTemplate changes"},
	"RunContainerError":    {reason: kube.ReasonContainer, grace: true, hint: "the container runtime cannot start the container: is it a BuildKit image?"},
}

// autoscalerAnswers are events on an unschedulable pod by which an autoscaler
// says whether it acts: cluster-autoscaler's and Karpenter's.
//
//	https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md
//	https://karpenter.sh/docs/troubleshooting/
var autoscalerAnswers = map[string]bool{
	"TriggeredScaleUp":  true,
	"Nominated":         true,
	"NotTriggerScaleUp": false,
}

// examinePod finds what keeps a live pod from being ready.
func examinePod(p *corev1.Pod, events []*corev1.Event, grace time.Duration) finding {
	f := finding{pod: p.UID}
	say := func(format string, args ...any) {
		words := fmt.Sprintf(format, args...)
		f.line, f.words = fmt.Sprintf("pod %s: %s", p.Name, words), words
		f.message = fmt.Sprintf("pod %s in namespace %s: %s", p.Name, p.Namespace, words)
	}
	if p.Spec.NodeName == "" {
		examineScheduling(&f, say, p, events, grace)
		return f
	}
	for _, status := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if examineContainer(&f, say, p, status, events, grace) {
			return f
		}
	}
	if c := containerStatus(p.Status.ContainerStatuses, manifest.ContainerName); c != nil && c.State.Running != nil {
		if other := unready(p.Status.ContainerStatuses); c.Ready && other != "" {
			say("buildkitd answers on cluster node %s, waiting for container %s to be ready", p.Spec.NodeName, other)
			return f
		}
		say("started on cluster node %s, waiting for buildkitd to answer", p.Spec.NodeName)
		// Each second's failed probe is no news; the last one is when time
		// runs out.
		if e := LastEvent(events, "Unhealthy"); e != nil {
			f.message += ": " + strings.TrimSpace(e.Message)
		}
		return f
	}
	switch e := LastEvent(events, "Pulling", "Pulled", "Created", "Started", "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"); {
	case e == nil || e.Reason == "Pulled" || e.Reason == "Created" || e.Reason == "Started":
		say("creating containers on cluster node %s", p.Spec.NodeName)
	case e.Reason == "Pulling":
		say("%s on cluster node %s", lowerFirst(e.Message), p.Spec.NodeName)
	default:
		// Attaching a volume or setting up a network often fails a few times
		// before it works, so this is told and nothing more.
		say("%s on cluster node %s: %s", e.Reason, p.Spec.NodeName, e.Message)
	}
	return f
}

// unready is a container that is not ready, empty for none.
func unready(statuses []corev1.ContainerStatus) string {
	for _, status := range statuses {
		if !status.Ready {
			return status.Name
		}
	}
	return ""
}

func examineScheduling(f *finding, say func(string, ...any), p *corev1.Pod, events []*corev1.Event, grace time.Duration) {
	c := kube.PodCondition(p, corev1.PodScheduled)
	switch {
	case c == nil || c.Status != corev1.ConditionFalse:
		say("waiting for the scheduler")
	case c.Reason == corev1.PodReasonSchedulingGated:
		say("held back by a scheduling gate: %s", c.Message)
	default:
		words := c.Message
		f.reason, f.tolerance = kube.ReasonUnschedulable, grace
		f.hints = []string{
			"compare nodeselector, tolerations and requests of the definition with the cluster nodes: kubectl get nodes --show-labels",
		}
		if strings.Contains(words, "PersistentVolumeClaim") {
			f.hints = []string{"the claim finds no volume: kubectl get pvc,storageclass shows why; a default storage class is needed"}
		}
		reasons := make([]string, 0, len(autoscalerAnswers))
		for reason := range autoscalerAnswers {
			reasons = append(reasons, reason)
		}
		if e := LastEvent(events, reasons...); e != nil {
			words += "; autoscaler: " + e.Message
			if autoscalerAnswers[e.Reason] {
				f.tolerance = endless
			}
		}
		if p.Status.NominatedNodeName != "" {
			// The scheduler is making room by preemption.
			words += "; waiting for room on cluster node " + p.Status.NominatedNodeName
			f.tolerance = endless
		}
		say("unschedulable: %s", words)
		f.words = c.Message // not what an autoscaler does, which is worth knowing while one waits
	}
}

// examineContainer is true when status explains why the pod is not ready.
func examineContainer(f *finding, say func(string, ...any), p *corev1.Pod, status corev1.ContainerStatus, events []*corev1.Event, grace time.Duration) bool {
	explained := explainContainer(f, say, p, status, events, grace)
	if len(f.hints) > 0 && !isOwn(status.Name) {
		// What the definition says of buildkitd mends nothing in it.
		f.hints = []string{fmt.Sprintf("container %s is not buildkitd's: podTemplate of the definition has it, or a webhook or policy of the cluster adds it: kubectl get mutatingwebhookconfigurations", status.Name)}
	}
	return explained
}

// isOwn is true for the containers that a definition's driver-opts are about.
func isOwn(container string) bool {
	return container == manifest.ContainerName || container == manifest.QEMUContainerName
}

// imageOf is the image of a container for people, with the container's name
// where it is not one of those that a definition is about.
func imageOf(status corev1.ContainerStatus) string {
	if isOwn(status.Name) {
		return strconv.Quote(status.Image)
	}
	return strconv.Quote(status.Image) + " of container " + status.Name
}

func explainContainer(f *finding, say func(string, ...any), p *corev1.Pod, status corev1.ContainerStatus, events []*corev1.Event, grace time.Duration) bool {
	waiting, ended := status.State.Waiting, status.State.Terminated
	switch {
	case waiting != nil && (waiting.Reason == "ErrImagePull" || waiting.Reason == "ImagePullBackOff"):
		examinePull(f, say, status, events)
		return true
	case waiting != nil && waiting.Reason == "CrashLoopBackOff":
		examineCrash(f, say, p, status, status.LastTerminationState.Terminated)
		return true
	case waiting != nil:
		t, ok := containerTroubles[waiting.Reason]
		if !ok {
			return false
		}
		f.reason, f.hints = t.reason, []string{t.hint}
		if t.grace {
			f.tolerance = grace
		}
		if t.reason == kube.ReasonImage {
			say("cannot use image %s (%s): %s", imageOf(status), waiting.Reason, waiting.Message)
		} else {
			say("container %s: %s: %s", status.Name, waiting.Reason, waiting.Message)
		}
		return true
	case ended != nil && ended.ExitCode != 0:
		// The kubelet starts it again at once the first time; the loop, if it
		// is one, shows as CrashLoopBackOff.
		say("container %s ended (%s) and is started again", status.Name, exitDescription(ended))
		return true
	default:
		return false
	}
}

// examinePull fails when the kubelet backs off: at once where repetition mends
// nothing, after pullTolerance otherwise, because a registry may hiccup. A
// failed pull alone (ErrImagePull) is never the end.
func examinePull(f *finding, say func(string, ...any), status corev1.ContainerStatus, events []*corev1.Event) {
	waiting := status.State.Waiting
	words := waiting.Message
	// Before 1.32 the kubelet's back-off repeats only the image; the event
	// knows why.
	if e := lastFailedPull(events, status.Image); e != nil && !strings.Contains(words, "ErrImagePull") && waiting.Reason == "ImagePullBackOff" {
		words += ": " + e.Message
	}
	f.reason = kube.ReasonImage
	switch {
	case waiting.Reason != "ImagePullBackOff":
		f.tolerance = endless
	case permanentPullFailure.MatchString(words):
		f.tolerance = 0
	default:
		f.tolerance = pullTolerance
	}
	f.hints = []string{
		"check the driver-opt image= (or qemu.image=) of the definition and that the cluster nodes can pull it",
		"a private registry needs imagePullSecrets, in podTemplate or on the builder's service account",
	}
	say("cannot pull image %s (%s): %s", imageOf(status), waiting.Reason, words)
}

// lastFailedPull is the event that says why an image could not be pulled. The
// kubelet reports the state of the container by the same reason, after it.
func lastFailedPull(events []*corev1.Event, image string) *corev1.Event {
	for _, e := range slices.Backward(events) {
		if e.Reason == "Failed" && strings.HasPrefix(e.Message, "Failed to pull image "+strconv.Quote(image)) {
			return e
		}
	}
	return nil
}

// crashWindow tells a container that cannot start from one that ran a while
// and then died, of a heavy build perhaps: that one comes back by itself.
const crashWindow = time.Minute

func examineCrash(f *finding, say func(string, ...any), p *corev1.Pod, status corev1.ContainerStatus, last *corev1.ContainerStateTerminated) {
	f.reason = kube.ReasonCrash
	how := "no exit status known"
	if last != nil {
		how = exitDescription(last)
		if last.Reason == "OOMKilled" {
			f.reason = kube.ReasonOOMKilled
			f.hints = []string{"raise limits.memory of the definition"}
		}
		if ran := last.FinishedAt.Sub(last.StartedAt.Time); !last.StartedAt.IsZero() && ran >= crashWindow {
			f.tolerance = endless
			say("container %s ended after %s (%s); the kubelet starts it again after a pause", status.Name, ran.Round(time.Second), how)
			return
		}
	}
	if f.reason == kube.ReasonCrash {
		f.hints = []string{"its log says why; check buildkitd's flags and files (buildkitd.toml) in the definition"}
	}
	f.crashed = &Crashed{Pod: p.Name, Container: status.Name}
	say("container %s ends soon after each start (%d times, %s)", status.Name, status.RestartCount+1, how)
}

func exitDescription(t *corev1.ContainerStateTerminated) string {
	s := fmt.Sprintf("exit code %d", t.ExitCode)
	if t.Reason != "" && t.Reason != "Error" {
		s = t.Reason + ", " + s
	}
	if t.Message != "" {
		s += ": " + strings.TrimSpace(t.Message)
	}
	return s
}

func containerStatus(statuses []corev1.ContainerStatus, name string) *corev1.ContainerStatus {
	for i := range statuses {
		if statuses[i].Name == name {
			return &statuses[i]
		}
	}
	return nil
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
