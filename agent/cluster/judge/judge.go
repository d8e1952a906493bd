package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipway-build/slipway/agent/cluster/kube"
)

// Observation is what is known of a node's workload at one moment.
type Observation struct {
	// Workload is kind and name, as in "deployment builder-amd64".
	Workload  string
	Namespace string
	Replicas  int32
	// Pods are the workload's, without those that had ended before the wait
	// began.
	Pods []*corev1.Pod
	// Events are those of the pods and of the workload, oldest first.
	Events []*corev1.Event
	// Draining are pods whose successors start when they have ended, and no
	// sooner: they were asked to stop, or will be.
	Draining []string
	// CreateFailure are the controller's words when it cannot create pods.
	CreateFailure string
	// Gone is true when the workload was deleted, Zero when it was scaled to
	// nothing, both after the wait began. Awake is true once it was seen with
	// replicas.
	Gone, ScaledToZero, WasUp bool
	// MinReady is how many ready pods are wanted; 0 is one.
	MinReady int
}

// finding is what stands between one pod and readiness.
type finding struct {
	pod types.UID
	// line says what is waited for, in the words of whoever reports it, which are a
	// part of it.
	line, words string
	// reason is empty while there is nothing to worry about.
	reason kube.Reason
	// tolerance is how long the trouble may last before it counts as lasting.
	// Endless trouble is only told.
	tolerance time.Duration
	// message and hints are of the error, should it come to that.
	message string
	hints   []string
	// crashed is the container whose last words belong to the error.
	crashed *Crashed
}

// Crashed is a container that ends soon after each start.
type Crashed struct{ Pod, Container string }

// endless is the tolerance with what may heal by itself.
const endless = time.Duration(1<<63 - 1)

// TroubleSince remember since when a pod has had a trouble. They are times of
// this machine: the server's could be off by minutes.
type TroubleSince map[troubleKey]time.Time

type troubleKey struct {
	pod    types.UID
	reason kube.Reason
}

// update returns the sightings after findings were made at now: those that go
// on keep their time, those that ended are forgotten.
func (s TroubleSince) update(findings []finding, now time.Time) TroubleSince {
	out := TroubleSince{}
	for _, f := range findings {
		if f.reason == "" {
			continue
		}
		key := troubleKey{f.pod, f.reason}
		if since, ok := s[key]; ok {
			out[key] = since
		} else {
			out[key] = now
		}
	}
	return out
}

// Verdict is what an observation amounts to. If neither Ready nor Failure is
// set the wait goes on.
type Verdict struct {
	Ready []kube.Pod
	// Waiting are the lines to tell, in the order of the pods' names; of long reasons
	// they have the ends.
	Waiting []string
	// Last are the same, with what only matters if this is where it ends.
	Last    []string
	Failure *kube.Error
	// failureLine is the one of Waiting that Failure says as well.
	failureLine string
	// Crashed is set with Failure when a container's log says more.
	Crashed *Crashed
	// Recheck is when the verdict may change though nothing else does; zero
	// when it cannot.
	Recheck time.Time
}

// News are the lines of Waiting that were not told before, without the one that
// Failure says at once.
func (v Verdict) News(told []string) []string {
	return slices.DeleteFunc(slices.Clone(v.Waiting), func(line string) bool {
		return slices.Contains(told, line) || line == v.failureLine
	})
}

// Decide says whether a wait goes on. seen is what Decide returned for the
// observation before, nil for the first; grace is how long a pod may be
// unschedulable without an autoscaler's answer. One ready pod is enough unless
// more are wanted, and the wait fails only when every pod that could still become
// ready has trouble beyond its tolerance: one pod in trouble does not end the wait
// for another.
func Decide(o Observation, seen TroubleSince, grace time.Duration, now time.Time) (Verdict, TroubleSince) {
	ready := ReadyPods(o.Pods)
	if len(ready) >= max(o.MinReady, 1) {
		return Verdict{Ready: ready}, seen
	}
	findings := examine(o, grace)
	seen = seen.update(findings, now)

	var v Verdict
	if len(ready) > 0 {
		v.Waiting = []string{fmt.Sprintf("%d of %d pods ready", len(ready), o.MinReady)}
		v.Last = slices.Clone(v.Waiting)
	}
	failing := len(findings) > 0
	var worst finding
	for i, f := range findings {
		if line := f.brief(); !slices.Contains(v.Waiting, line) {
			v.Waiting = append(v.Waiting, line)
			v.Last = append(v.Last, cmp.Or(f.message, f.line))
		}
		if f.reason == "" || f.tolerance == endless {
			failing = false
			continue
		}
		end := seen[troubleKey{f.pod, f.reason}].Add(f.tolerance)
		if now.Before(end) {
			failing = false
			if v.Recheck.IsZero() || end.Before(v.Recheck) {
				v.Recheck = end
			}
			continue
		}
		if i == 0 || worst.reason == "" {
			worst = f
		}
	}
	if failing {
		v.failureLine = worst.brief()
		v.Failure = &kube.Error{Reason: worst.reason, Message: worst.message, Advice: worst.hints}
		v.Crashed = worst.crashed
	}
	return v, seen
}

// examine looks at each pod that can still become ready, or at the workload
// when there is none.
func examine(o Observation, grace time.Duration) []finding {
	var live, ended []*corev1.Pod
	for _, p := range o.Pods {
		switch {
		case p.DeletionTimestamp != nil:
		case kube.HasEnded(p):
			ended = append(ended, p)
		case kube.IsReady(p): // more are wanted; this one waits for nothing
		default:
			live = append(live, p)
		}
	}
	byName := func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(live, byName)
	slices.SortFunc(ended, byName)

	if o.Gone || o.ScaledToZero {
		return []finding{workloadGone(o)}
	}
	// The controller replaces a pod that ended at once. Each replica gets a
	// second chance, on another cluster node perhaps; after that the eviction
	// is what happens here.
	if len(ended) > int(o.Replicas) {
		return []finding{podEvicted(ended[len(ended)-1], 0)}
	}
	var findings []finding
	for _, p := range live {
		findings = append(findings, examinePod(p, eventsOf(o.Events, p.UID), grace))
	}
	switch {
	case len(findings) > 0:
		return findings
	case len(ended) > 0:
		return []finding{podEvicted(ended[len(ended)-1], endless)}
	case o.CreateFailure != "":
		return []finding{podsNotCreated(o)}
	case len(o.Draining) > 0:
		return []finding{{line: fmt.Sprintf("%s: waiting for builds on pod %s, which ends before its successor starts", o.Workload, strings.Join(o.Draining, ", "))}}
	default:
		return []finding{{line: o.Workload + ": waiting for its pod to be created"}}
	}
}

func workloadGone(o Observation) finding {
	what := "was deleted"
	if !o.Gone {
		what = "was scaled to zero"
	}
	f := finding{
		line:    o.Workload + " " + what,
		reason:  kube.ReasonGone,
		message: fmt.Sprintf("%s in namespace %s %s while it was waited for", o.Workload, o.Namespace, what),
		hints:   []string{"somebody else manages this builder at the same time; run again to create or wake it"},
	}
	if !o.Gone && !o.WasUp {
		// It was woken just now, and the API server's cache may lag behind.
		f.line, f.tolerance = o.Workload+": waiting for its pod to be created", scaleUpLag
	}
	return f
}

// scaleUpLag is how long a workload that was woken may still look asleep.
const scaleUpLag = 10 * time.Second

func podEvicted(p *corev1.Pod, tolerance time.Duration) finding {
	words := p.Status.Reason
	if p.Status.Message != "" {
		words = strings.TrimPrefix(words+": "+p.Status.Message, ": ")
	}
	if words == "" {
		words = string(p.Status.Phase)
	}
	return finding{
		pod:       p.UID,
		line:      fmt.Sprintf("pod %s: %s; waiting for its replacement", p.Name, words),
		words:     words,
		reason:    kube.ReasonEvicted,
		tolerance: tolerance,
		message:   fmt.Sprintf("pod %s in namespace %s: %s", p.Name, p.Namespace, words),
		hints:     []string{"set requests.memory and requests.ephemeral-storage in the definition so that a cluster node with room is chosen"},
	}
}

// podsNotCreated: the controller was refused. Quota and policy do not change by
// waiting a minute; anything else, such as a webhook that does not answer, may.
func podsNotCreated(o Observation) finding {
	f := finding{
		line:      fmt.Sprintf("%s: its pods cannot be created: %s", o.Workload, o.CreateFailure),
		words:     o.CreateFailure,
		reason:    kube.ReasonServer,
		tolerance: endless,
		message:   fmt.Sprintf("%s in namespace %s: its pods cannot be created: %s", o.Workload, o.Namespace, o.CreateFailure),
	}
	for _, final := range []string{"is forbidden", "denied the request", "is invalid"} {
		if strings.Contains(o.CreateFailure, final) {
			f.reason, f.hints = kube.Refusal(o.CreateFailure)
			f.tolerance = 0
			break
		}
	}
	return f
}

// eventsOf keeps the order.
func eventsOf(events []*corev1.Event, uid types.UID) []*corev1.Event {
	var out []*corev1.Event
	for _, e := range events {
		if e.InvolvedObject.UID == uid {
			out = append(out, e)
		}
	}
	return out
}

// LastEvent is the newest event with one of the reasons, nil if none.
func LastEvent(events []*corev1.Event, reasons ...string) *corev1.Event {
	for _, e := range slices.Backward(events) {
		if slices.Contains(reasons, e.Reason) {
			return e
		}
	}
	return nil
}

// EventTime is when an event last happened; which of its fields says so
// depends on the API its reporter used.
func EventTime(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil && !e.Series.LastObservedTime.IsZero():
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	default:
		return e.CreationTimestamp.Time
	}
}

// SortEvents puts the oldest first. Most times have a resolution of a second;
// within one the name decides, because recorders append the time in
// nanoseconds to it.
func SortEvents(events []*corev1.Event) {
	slices.SortFunc(events, func(a, b *corev1.Event) int {
		return cmp.Or(EventTime(a).Compare(EventTime(b)), cmp.Compare(a.Name, b.Name))
	})
}
