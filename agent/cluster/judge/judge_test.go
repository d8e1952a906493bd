package judge

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipway-build/slipway/agent/cluster/kube"
)

var testTime = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const testGrace = 15 * time.Second

type podOption func(*corev1.Pod)

func testPod(name string, options ...podOption) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ci", Name: name, UID: types.UID("uid-" + name)},
		Spec:       corev1.PodSpec{NodeName: "node1", Containers: []corev1.Container{{Name: "buildkitd"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodPending},
	}
	for _, o := range options {
		o(p)
	}
	return p
}

func running(p *corev1.Pod) {
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "buildkitd", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
}

func answering(p *corev1.Pod) { p.Status.ContainerStatuses[0].Ready = true }

// beside puts a container mesh before buildkitd, as a webhook may.
func beside(status corev1.ContainerStatus) podOption {
	return func(p *corev1.Pod) {
		status.Name = "mesh"
		p.Spec.Containers = append([]corev1.Container{{Name: status.Name}}, p.Spec.Containers...)
		p.Status.ContainerStatuses = append([]corev1.ContainerStatus{status}, p.Status.ContainerStatuses...)
	}
}

func ready(p *corev1.Pod) {
	running(p)
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
}

func terminating(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: testTime} }

func unscheduled(reason, message string) podOption {
	return func(p *corev1.Pod) {
		p.Spec.NodeName = ""
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: reason, Message: message}}
	}
}

func waitingFor(reason, message string) podOption {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: "buildkitd", Image: "example.com/buildkit:1",
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
		}}
	}
}

func crashedAfter(ran time.Duration, reason string) podOption {
	return func(p *corev1.Pod) {
		waitingFor("CrashLoopBackOff", "back-off 10s restarting failed container")(p)
		p.Status.ContainerStatuses[0].RestartCount = 1
		p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
			ExitCode: 1, Reason: reason, StartedAt: metav1.NewTime(testTime), FinishedAt: metav1.NewTime(testTime.Add(ran)),
		}
	}
}

func evictedFor(message string) podOption {
	return func(p *corev1.Pod) {
		p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "Evicted", message
	}
}

func event(pod, reason, message string, after time.Duration) *corev1.Event {
	return &corev1.Event{
		InvolvedObject: corev1.ObjectReference{UID: types.UID("uid-" + pod)},
		Reason:         reason, Message: message, LastTimestamp: metav1.NewTime(testTime.Add(after)),
	}
}

func TestJudge(t *testing.T) {
	const none = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector"
	unschedulable := unscheduled("Unschedulable", none)
	pullDenied := waitingFor("ImagePullBackOff", `Back-off pulling image "example.com/buildkit:1": ErrImagePull: not found`)
	cases := map[string]struct {
		o Observation
		// lasted is how long all this has been seen already.
		lasted  time.Duration
		ready   []string
		waiting []string    // parts of the lines
		reason  kube.Reason // of the failure
		words   string      // in its message
		recheck time.Duration
		crashed string
		hint    string // begins the first hint
	}{
		"ready": {
			o:     Observation{Pods: []*corev1.Pod{testPod("b", ready), testPod("a", ready)}},
			ready: []string{"a", "b"},
		},
		"ready but terminating": {
			o:       Observation{Workload: "deployment b", Pods: []*corev1.Pod{testPod("a", ready, terminating)}},
			waiting: []string{"deployment b: waiting for its pod to be created"},
		},
		"the one before it drains": {
			o:       Observation{Workload: "statefulset b", Draining: []string{"b-0"}},
			lasted:  time.Hour,
			waiting: []string{"statefulset b: waiting for builds on pod b-0, which ends before its successor starts"},
		},
		"one ready saves the others": {
			o:     Observation{Pods: []*corev1.Pod{testPod("a", pullDenied), testPod("b", ready)}},
			ready: []string{"b"},
		},
		"no pod yet": {
			o:       Observation{Workload: "deployment b"},
			lasted:  time.Hour,
			waiting: []string{"waiting for its pod to be created"},
		},
		"workload deleted": {
			o:       Observation{Workload: "deployment b", Gone: true, Pods: []*corev1.Pod{testPod("a", running)}},
			waiting: []string{"was deleted"}, reason: kube.ReasonGone, words: "deployment b in namespace ci was deleted while it was waited for",
		},
		"workload scaled to zero": {
			o:       Observation{Workload: "deployment b", ScaledToZero: true, WasUp: true},
			waiting: []string{"was scaled to zero"}, reason: kube.ReasonGone, words: "was scaled to zero",
		},
		"workload woken just now": {
			o:       Observation{Workload: "deployment b", ScaledToZero: true},
			waiting: []string{"waiting for its pod to be created"}, recheck: scaleUpLag,
		},
		"workload asleep again": {
			o:       Observation{Workload: "deployment b", ScaledToZero: true},
			lasted:  scaleUpLag,
			waiting: []string{"waiting for its pod to be created"}, reason: kube.ReasonGone, words: "was scaled to zero",
		},
		"two wanted and there": {
			o:     Observation{MinReady: 2, Pods: []*corev1.Pod{testPod("b", ready), testPod("a", ready), testPod("c", running)}},
			ready: []string{"a", "b"},
		},
		"two wanted and one ready": {
			o:       Observation{MinReady: 2, Pods: []*corev1.Pod{testPod("b", ready), testPod("a", running)}},
			waiting: []string{"1 of 2 pods ready", "pod a: started on cluster node node1"},
		},
		"two wanted and one not made yet": {
			o:       Observation{Workload: "deployment b", MinReady: 2, Pods: []*corev1.Pod{testPod("b", ready)}},
			waiting: []string{"1 of 2 pods ready", "waiting for its pod to be created"},
		},
		"two wanted and the other one cannot be": {
			o:       Observation{MinReady: 2, Pods: []*corev1.Pod{testPod("b", ready), testPod("a", pullDenied)}},
			lasted:  time.Hour,
			waiting: []string{"1 of 2 pods ready", "not found"}, reason: kube.ReasonImage, words: "not found",
		},
		"quota": {
			o:       Observation{Workload: "deployment b", CreateFailure: `pods "b-1" is forbidden: exceeded quota: q`},
			waiting: []string{"exceeded quota: q"}, reason: kube.ReasonQuota, words: "deployment b in namespace ci: its pods cannot be created",
		},
		"pod security": {
			o:       Observation{Workload: "deployment b", CreateFailure: `pods "b-1" is forbidden: violates PodSecurity "restricted:latest"`},
			waiting: []string{"violates PodSecurity"}, reason: kube.ReasonAdmission, words: "violates PodSecurity",
		},
		"webhook away": {
			o:      Observation{Workload: "deployment b", CreateFailure: `Internal error occurred: failed calling webhook "w"`},
			lasted: time.Hour, waiting: []string{"failed calling webhook"},
		},
		"create failure beside a living pod": {
			o:       Observation{CreateFailure: `pods "b-1" is forbidden: exceeded quota: q`, Pods: []*corev1.Pod{testPod("a", running)}},
			waiting: []string{"pod a: started on cluster node node1, waiting for buildkitd to answer"},
		},
		"not looked at by the scheduler": {
			o:       Observation{Pods: []*corev1.Pod{testPod("a", func(p *corev1.Pod) { p.Spec.NodeName = "" })}},
			waiting: []string{"pod a: waiting for the scheduler"},
		},
		"scheduling gate": {
			o:      Observation{Pods: []*corev1.Pod{testPod("a", unscheduled("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates"))}},
			lasted: time.Hour, waiting: []string{"held back by a scheduling gate"},
		},
		"unschedulable within the grace": {
			o: Observation{Pods: []*corev1.Pod{testPod("a", unschedulable)}}, lasted: 10 * time.Second,
			waiting: []string{"pod a: unschedulable: " + none}, recheck: 5 * time.Second,
		},
		"unschedulable beyond the grace": {
			o: Observation{Pods: []*corev1.Pod{testPod("a", unschedulable)}}, lasted: testGrace,
			waiting: []string{none}, reason: kube.ReasonUnschedulable, words: "pod a in namespace ci: unschedulable: " + none,
		},
		"unschedulable and an autoscaler acts": {
			o: Observation{
				Pods:   []*corev1.Pod{testPod("a", unschedulable)},
				Events: []*corev1.Event{event("a", "TriggeredScaleUp", "pod triggered scale-up: [g 0->1]", 0)},
			},
			lasted: time.Hour, waiting: []string{"autoscaler: pod triggered scale-up: [g 0->1]"},
		},
		"karpenter acts": {
			o: Observation{
				Pods:   []*corev1.Pod{testPod("a", unschedulable)},
				Events: []*corev1.Event{event("a", "Nominated", "Pod should schedule on: nodeclaim/x", 0)},
			},
			lasted: time.Hour, waiting: []string{"nodeclaim/x"},
		},
		"an autoscaler acts for another pod": {
			o: Observation{
				Pods:   []*corev1.Pod{testPod("a", unschedulable)},
				Events: []*corev1.Event{event("z", "TriggeredScaleUp", "pod triggered scale-up", 0)},
			},
			lasted: testGrace, waiting: []string{none}, reason: kube.ReasonUnschedulable, words: none,
		},
		"the autoscaler gave up": {
			o: Observation{
				Pods: []*corev1.Pod{testPod("a", unschedulable)},
				Events: []*corev1.Event{
					event("a", "TriggeredScaleUp", "pod triggered scale-up", 0),
					event("a", "NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached", time.Minute),
				},
			},
			lasted: testGrace, waiting: []string{none}, reason: kube.ReasonUnschedulable, words: "max node group size reached",
		},
		"preemption makes room": {
			o:      Observation{Pods: []*corev1.Pod{testPod("a", unschedulable, func(p *corev1.Pod) { p.Status.NominatedNodeName = "node2" })}},
			lasted: time.Hour, waiting: []string{"waiting for room on cluster node node2"},
		},
		"one unschedulable, one starting": {
			o:      Observation{Pods: []*corev1.Pod{testPod("a", unschedulable), testPod("b", running)}},
			lasted: time.Hour, waiting: []string{"pod a: unschedulable", "pod b: started"},
		},
		"both unschedulable": {
			o:      Observation{Pods: []*corev1.Pod{testPod("a", unschedulable), testPod("b", unschedulable)}},
			lasted: testGrace, waiting: []string{"pod a", "pod b"}, reason: kube.ReasonUnschedulable, words: "pod a in namespace ci: unschedulable",
		},
		"scheduled": {
			o:       Observation{Pods: []*corev1.Pod{testPod("a", waitingFor("ContainerCreating", ""))}},
			waiting: []string{"pod a: creating containers on cluster node node1"},
		},
		"pulling": {
			o: Observation{
				Pods:   []*corev1.Pod{testPod("a", waitingFor("ContainerCreating", ""))},
				Events: []*corev1.Event{event("a", "Scheduled", "ok", 0), event("a", "Pulling", `Pulling image "example.com/buildkit:1"`, 0)},
			},
			waiting: []string{`pod a: pulling image "example.com/buildkit:1" on cluster node node1`},
		},
		"mount fails": {
			o: Observation{
				Pods:   []*corev1.Pod{testPod("a", waitingFor("ContainerCreating", ""))},
				Events: []*corev1.Event{event("a", "FailedMount", "MountVolume.SetUp failed", 0)},
			},
			lasted: time.Hour, waiting: []string{"pod a: FailedMount on cluster node node1: MountVolume.SetUp failed"},
		},
		"first pull failed": {
			o:       Observation{Pods: []*corev1.Pod{testPod("a", waitingFor("ErrImagePull", "not found"))}},
			waiting: []string{`pod a: cannot pull image "example.com/buildkit:1" (ErrImagePull): not found`}, lasted: time.Hour,
		},
		"image does not exist": {
			o:       Observation{Pods: []*corev1.Pod{testPod("a", pullDenied)}},
			waiting: []string{"ImagePullBackOff"}, reason: kube.ReasonImage, words: `cannot pull image "example.com/buildkit:1" (ImagePullBackOff): Back-off pulling`,
		},
		"image does not exist, old kubelet": {
			o: Observation{
				Pods: []*corev1.Pod{testPod("a", waitingFor("ImagePullBackOff", `Back-off pulling image "example.com/buildkit:1"`))},
				Events: []*corev1.Event{
					event("a", "Failed", `Failed to pull image "example.com/buildkit:1": manifest unknown`, 0),
					event("a", "Failed", "Error: ErrImagePull", 0),
					event("a", "Failed", "Error: ImagePullBackOff", time.Second), // the kubelet's last word
				},
			},
			waiting: []string{"manifest unknown"}, reason: kube.ReasonImage, words: `(ImagePullBackOff): Back-off pulling image "example.com/buildkit:1": Failed to pull image "example.com/buildkit:1": manifest unknown`,
		},
		"registry hiccups": {
			o: Observation{Pods: []*corev1.Pod{testPod("a", waitingFor("ImagePullBackOff", "ErrImagePull: 503 Service Unavailable"))}}, lasted: 10 * time.Second,
			waiting: []string{"503"}, recheck: pullTolerance - 10*time.Second,
		},
		"registry stays away": {
			o: Observation{Pods: []*corev1.Pod{testPod("a", waitingFor("ImagePullBackOff", "ErrImagePull: 503 Service Unavailable"))}}, lasted: pullTolerance,
			waiting: []string{"503"}, reason: kube.ReasonImage, words: "503",
		},
		"image name": {
			o:       Observation{Pods: []*corev1.Pod{testPod("a", waitingFor("InvalidImageName", "couldn't parse image name"))}},
			waiting: []string{"InvalidImageName"}, reason: kube.ReasonImage, words: `cannot use image "example.com/buildkit:1" (InvalidImageName): couldn't parse`,
		},
		"never pull": {
			o:       Observation{Pods: []*corev1.Pod{testPod("a", waitingFor("ErrImageNeverPull", "not present with pull policy of Never"))}},
			waiting: []string{"ErrImageNeverPull"}, reason: kube.ReasonImage, words: "ErrImageNeverPull",
		},
		"config missing": {
			o:       Observation{Pods: []*corev1.Pod{testPod("a", waitingFor("CreateContainerConfigError", `configmap "x" not found`))}},
			waiting: []string{"CreateContainerConfigError"}, reason: kube.ReasonContainer, words: `container buildkitd: CreateContainerConfigError: configmap "x" not found`,
		},
		"runtime refuses at first": {
			o:       Observation{Pods: []*corev1.Pod{testPod("a", waitingFor("CreateContainerError", "context deadline exceeded"))}},
			waiting: []string{"CreateContainerError"}, recheck: testGrace,
		},
		"runtime goes on refusing": {
			o: Observation{Pods: []*corev1.Pod{testPod("a", waitingFor("CreateContainerError", "no such profile"))}}, lasted: testGrace,
			waiting: []string{"CreateContainerError"}, reason: kube.ReasonContainer, words: "no such profile",
		},
		"init container": {
			o: Observation{Pods: []*corev1.Pod{testPod("a", func(p *corev1.Pod) {
				p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "qemu", Image: "binfmt", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "InvalidImageName"}}}}
			}, waitingFor("PodInitializing", ""))}},
			waiting: []string{"binfmt"}, reason: kube.ReasonImage, words: `"binfmt"`,
		},
		"crashed once": {
			o: Observation{Pods: []*corev1.Pod{testPod("a", func(p *corev1.Pod) {
				p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "buildkitd", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error"}}}}
			})}},
			lasted: time.Hour, waiting: []string{"container buildkitd ended (exit code 1) and is started again"},
		},
		"crash loop": {
			o:       Observation{Pods: []*corev1.Pod{testPod("a", crashedAfter(time.Second, "Error"))}},
			waiting: []string{"ends soon after each start"}, reason: kube.ReasonCrash, words: "container buildkitd ends soon after each start (2 times, exit code 1)", crashed: "buildkitd",
		},
		"an image of another container": {
			o: Observation{Pods: []*corev1.Pod{testPod("a", running, beside(corev1.ContainerStatus{
				Image: "mesh:1", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "ErrImagePull: not found"}},
			}))}},
			waiting: []string{`pod a: cannot pull image "mesh:1" of container mesh (ImagePullBackOff): ErrImagePull: not found`}, reason: kube.ReasonImage, words: "of container mesh", hint: "container mesh is not buildkitd's",
		},
		"an image name of another container": {
			o: Observation{Pods: []*corev1.Pod{testPod("a", running, beside(corev1.ContainerStatus{
				Image: "Mesh", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "InvalidImageName", Message: "no"}},
			}))}},
			waiting: []string{`cannot use image "Mesh" of container mesh (InvalidImageName): no`}, reason: kube.ReasonImage, words: "of container mesh", hint: "container mesh is not buildkitd",
		},
		"another container crashes": {
			o: Observation{Pods: []*corev1.Pod{testPod("a", running, beside(corev1.ContainerStatus{
				State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}, RestartCount: 1,
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3}},
			}))}},
			waiting: []string{"container mesh ends soon after each start"}, reason: kube.ReasonCrash, words: "container mesh ends", crashed: "mesh", hint: "container mesh is not buildkitd",
		},
		"another container is out of memory": {
			o: Observation{Pods: []*corev1.Pod{testPod("a", running, beside(corev1.ContainerStatus{
				State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}},
			}))}},
			waiting: []string{"container mesh ends soon after each start"}, reason: kube.ReasonOOMKilled, words: "OOMKilled", crashed: "mesh", hint: "container mesh is not buildkitd",
		},
		"another container is not ready": {
			o: Observation{Pods: []*corev1.Pod{testPod("a", running, answering, beside(corev1.ContainerStatus{
				State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			}))}},
			lasted: time.Hour, waiting: []string{"pod a: buildkitd answers on cluster node node1, waiting for container mesh to be ready"},
		},
		"out of memory at start": {
			o:       Observation{Pods: []*corev1.Pod{testPod("a", crashedAfter(time.Second, "OOMKilled"))}},
			waiting: []string{"OOMKilled"}, reason: kube.ReasonOOMKilled, words: "OOMKilled", crashed: "buildkitd",
		},
		"out of memory after a long run": {
			o:      Observation{Pods: []*corev1.Pod{testPod("a", crashedAfter(time.Hour, "OOMKilled"))}},
			lasted: time.Hour, waiting: []string{"ended after 1h0m0s (OOMKilled, exit code 1); the kubelet starts it again"},
		},
		"evicted once": {
			o:      Observation{Replicas: 1, Pods: []*corev1.Pod{testPod("a", evictedFor("The node was low on resource: memory."))}},
			lasted: time.Hour, waiting: []string{"pod a: Evicted: The node was low on resource: memory.; waiting for its replacement"},
		},
		"evicted and replaced": {
			o:       Observation{Replicas: 1, Pods: []*corev1.Pod{testPod("a", evictedFor("low")), testPod("b", running)}},
			waiting: []string{"pod b: started"},
		},
		"evicted again": {
			o:       Observation{Replicas: 1, Pods: []*corev1.Pod{testPod("a", evictedFor("low")), testPod("b", evictedFor("low")), testPod("c", running)}},
			waiting: []string{"Evicted"}, reason: kube.ReasonEvicted, words: "pod b in namespace ci: Evicted: low",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.o.Namespace = "ci"
			began := testTime.Add(-c.lasted)
			_, seen := Decide(c.o, nil, testGrace, began)
			v, _ := Decide(c.o, seen, testGrace, testTime)

			var names []string
			for _, p := range v.Ready {
				names = append(names, p.Name)
			}
			if strings.Join(names, " ") != strings.Join(c.ready, " ") {
				t.Errorf("ready %v, want %v", names, c.ready)
			}
			if len(v.Waiting) != len(c.waiting) {
				t.Fatalf("waits for %q, want %q", v.Waiting, c.waiting)
			}
			for i := range c.waiting {
				if !strings.Contains(v.Waiting[i], c.waiting[i]) {
					t.Errorf("line %q lacks %q", v.Waiting[i], c.waiting[i])
				}
			}
			switch {
			case v.Failure == nil && c.reason != "":
				t.Errorf("no failure, want %s", c.reason)
			case v.Failure != nil && (v.Failure.Reason != c.reason || !strings.Contains(v.Failure.Error(), c.words)):
				t.Errorf("failed with %s: %s\nwant %q with %q", v.Failure.Reason, v.Failure, c.reason, c.words)
			case v.Failure != nil && len(v.Failure.Hints()) == 0:
				t.Error("the failure has no hint")
			case v.Failure != nil && !strings.HasPrefix(v.Failure.Hints()[0], c.hint):
				t.Errorf("the first hint is %q, want %q", v.Failure.Hints()[0], c.hint)
			}
			var recheck time.Duration
			if !v.Recheck.IsZero() {
				recheck = v.Recheck.Sub(testTime)
			}
			if recheck != c.recheck {
				t.Errorf("recheck in %s, want %s", recheck, c.recheck)
			}
			got := ""
			if v.Crashed != nil {
				got = v.Crashed.Container
			}
			if got != c.crashed {
				t.Errorf("crashed container %q, want %q", got, c.crashed)
			}
		})
	}
}

// A trouble that ends and comes back gets its tolerance anew.
func TestJudgeForgets(t *testing.T) {
	stuck := Observation{Pods: []*corev1.Pod{testPod("a", unscheduled("Unschedulable", "no"))}}
	fine := Observation{Pods: []*corev1.Pod{testPod("a", running)}}
	_, seen := Decide(stuck, nil, testGrace, testTime)
	_, seen = Decide(fine, seen, testGrace, testTime.Add(10*time.Second))
	v, seen := Decide(stuck, seen, testGrace, testTime.Add(20*time.Second))
	if v.Failure != nil {
		t.Errorf("failed with %v at its return", v.Failure)
	}
	if v, _ := Decide(stuck, seen, testGrace, testTime.Add(35*time.Second)); v.Failure == nil {
		t.Error("no failure 15 s after its return")
	}
}

// When time runs out the last failed probe is told, though not before.
func TestJudgeKeepsTheProbeForTheEnd(t *testing.T) {
	v, _ := Decide(Observation{
		Pods:   []*corev1.Pod{testPod("a", running)},
		Events: []*corev1.Event{event("a", "Unhealthy", "Startup probe failed: no such socket\n", 0)},
	}, nil, testGrace, testTime)
	if strings.Contains(v.Waiting[0], "probe") || !strings.HasSuffix(v.Last[0], "Startup probe failed: no such socket") {
		t.Errorf("waiting %q, last %q", v.Waiting, v.Last)
	}
}

func TestSortEvents(t *testing.T) {
	at := func(name string, e corev1.Event) *corev1.Event { e.Name = name; return &e }
	second := metav1.NewTime(testTime)
	events := []*corev1.Event{
		at("pod.18b3", corev1.Event{LastTimestamp: second}),
		at("pod.18b1", corev1.Event{Series: &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(testTime.Add(time.Second))}, EventTime: metav1.NewMicroTime(testTime)}),
		at("pod.18b2", corev1.Event{LastTimestamp: second}),
		at("pod.18b0", corev1.Event{EventTime: metav1.NewMicroTime(testTime.Add(-time.Second))}),
	}
	SortEvents(events)
	var names []string
	for _, e := range events {
		names = append(names, strings.TrimPrefix(e.Name, "pod."))
	}
	if got := strings.Join(names, " "); got != "18b0 18b2 18b3 18b1" {
		t.Errorf("order %s", got)
	}
}

// TestLongReasons has reasons of several hundred characters: while one waits there is
// the beginning, in the error all.
func TestLongReasons(t *testing.T) {
	const first, last = "0/120 nodes are available: 60 Insufficient cpu, 20 Insufficient memory, 20 node(s) didn't match", "pod in 20 nodes is not helpful for scheduling."
	long := first + strings.Repeat(" preemption: 0/120 nodes are available,", 6) + " " + last
	const short = first + " ... " + last
	scaling := event("a", "TriggeredScaleUp", "pod triggered scale-up: [g 0->1]", 0)
	for name, tt := range map[string]struct {
		o    Observation
		line string
		full string // in the error, or in what a timeout says
	}{
		"unschedulable": {
			Observation{Pods: []*corev1.Pod{testPod("a", unscheduled("Unschedulable", long))}},
			"pod a: unschedulable: " + short, long,
		},
		"unschedulable while an autoscaler acts": {
			Observation{Pods: []*corev1.Pod{testPod("a", unscheduled("Unschedulable", long))}, Events: []*corev1.Event{scaling}},
			"pod a: unschedulable: " + short + "; autoscaler: pod triggered scale-up: [g 0->1]", long,
		},
		"not created": {
			Observation{Workload: "deployment b", CreateFailure: long},
			"deployment b: its pods cannot be created: " + short, long,
		},
		"evicted": {
			Observation{Pods: []*corev1.Pod{testPod("a", evictedFor(long))}},
			"pod a: " + brief("Evicted: "+long) + "; waiting for its replacement", long,
		},
	} {
		v, seen := Decide(tt.o, nil, testGrace, testTime)
		if len(v.Waiting) != 1 || v.Waiting[0] != tt.line {
			t.Errorf("%s: waits for %q, want %q", name, v.Waiting, tt.line)
		}
		if n := len([]rune(v.Waiting[0])); n > 220 {
			t.Errorf("%s: a line of %d characters", name, n)
		}
		if len(v.Last) != 1 || !strings.Contains(v.Last[0], tt.full) {
			t.Errorf("%s: at the end %q", name, v.Last)
		}
		later, _ := Decide(tt.o, seen, testGrace, testTime.Add(time.Hour))
		if later.Failure != nil && !strings.Contains(later.Failure.Message, tt.full) {
			t.Errorf("%s: it fails with %q", name, later.Failure.Message)
		}
	}
}

// TestNews has pods one of which fails for a reason that the error says.
func TestNews(t *testing.T) {
	denied := waitingFor("ImagePullBackOff", "not found")
	o := Observation{Pods: []*corev1.Pod{testPod("a", denied), testPod("b", unscheduled("Unschedulable", "no room"))}}
	first, seen := Decide(o, nil, testGrace, testTime)
	if got := first.News(nil); first.Failure != nil || !slices.Equal(got, first.Waiting) || len(got) != 2 {
		t.Errorf("at first %q, failure %v", got, first.Failure)
	}
	if got := first.News(first.Waiting[:1]); !slices.Equal(got, first.Waiting[1:]) {
		t.Errorf("what was told is told again: %q", got)
	}
	last, _ := Decide(o, seen, testGrace, testTime.Add(time.Hour))
	if got := last.News(nil); last.Failure == nil || len(got) != 1 || !strings.Contains(got[0], "pod b: unschedulable: no room") {
		t.Errorf("at the end %q, failure %v", got, last.Failure)
	}
}

// TestLongReasonsOfAPodAreWholeElsewhere has what inspect says of a pod.
func TestLongReasonsOfAPodAreWholeElsewhere(t *testing.T) {
	long := strings.Repeat("0/120 nodes are available, ", 10)
	if got := WaitsFor(testPod("a", unscheduled("Unschedulable", long)), testGrace); got != "unschedulable: "+long {
		t.Errorf("it says %q", got)
	}
}

func TestBrief(t *testing.T) {
	at := strings.Repeat("ä", maxWords)
	for reason, want := range map[string]string{
		"":       "",
		at:       at,
		at + "x": strings.Repeat("ä", headOf) + " ... " + strings.Repeat("ä", tailOf-1) + "x",
		strings.Repeat("head ", 30) + strings.Repeat("tail ", 30): strings.TrimSpace(strings.Repeat("head ", headOf/5)) + " ... " + strings.Repeat("tail ", tailOf/5-1),
	} {
		if got := brief(reason); got != want {
			t.Errorf("%q becomes %q, want %q", reason, got, want)
		}
	}
}
