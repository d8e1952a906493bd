package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipway-build/slipway/agent/cluster/judge"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/internal/fault"
)

// wait watches until judge.Decide has an answer or ctx ends. before are the pods that
// were there when the wait began. All of its goroutines end before it returns.
func (w *workload) wait(ctx context.Context, before []*corev1.Pod) ([]kube.Pod, error) {
	watching, stop := context.WithCancel(ctx)
	view := newView(w, before)
	defer view.goroutines.Wait()
	defer stop()
	view.start(watching)

	var seen judge.TroubleSince
	var told []string
	for {
		var v judge.Verdict
		if view.pods.IsSynced() {
			view.followEvents(watching)
			v, seen = judge.Decide(view.observe(time.Now()), seen, w.node.Kubernetes.UnschedulableGrace, time.Now())
		}
		if len(v.Ready) > 0 {
			return v.Ready, nil
		}
		for _, line := range v.News(told) {
			w.report(line)
		}
		if v.Failure != nil {
			if v.Crashed != nil {
				w.addLog(ctx, v.Failure, *v.Crashed)
			}
			return nil, v.Failure
		}
		if view.pods.IsSynced() {
			told, w.lastWaiting = v.Waiting, v.Last
		}
		if err := view.next(ctx, v.Recheck); err != nil {
			return nil, err
		}
	}
}

// view is what the watches of one wait see.
type view struct {
	workload   *workload
	ended      map[types.UID]bool
	changed    chan struct{}
	refused    chan error
	goroutines sync.WaitGroup
	// awake is true once the workload was seen with replicas.
	awake bool

	pods         *kube.Mirror[*corev1.Pod]
	deployments  *kube.Mirror[*appsv1.Deployment]
	statefulSets *kube.Mirror[*appsv1.StatefulSet]
	events       map[types.UID]*kube.Mirror[*corev1.Event]
}

// ofWorkload is the key of the workload's own events among those of pods.
const ofWorkload = types.UID("")

func newView(w *workload, before []*corev1.Pod) *view {
	v := &view{
		workload: w,
		ended:    map[types.UID]bool{},
		changed:  make(chan struct{}, 1),
		refused:  make(chan error, 1),
		events:   map[types.UID]*kube.Mirror[*corev1.Event]{},
	}
	v.pods = kube.NewMirror[*corev1.Pod](v.notify)
	v.deployments = kube.NewMirror[*appsv1.Deployment](v.notify)
	v.statefulSets = kube.NewMirror[*appsv1.StatefulSet](v.notify)
	for _, p := range before {
		if kube.HasEnded(p) {
			// The remains of old evictions stay for weeks.
			v.ended[p.UID] = true
		}
	}
	return v
}

func (v *view) notify() {
	select {
	case v.changed <- struct{}{}:
	default:
	}
}

// start begins the watches of the pods and of the workload itself. Without the
// right to list pods there is nothing to wait by; all else only adds reasons,
// so a refusal there is no more than a line in the log.
func (v *view) start(ctx context.Context) {
	c, w := v.workload.client, v.workload
	podsContext, stopPods := context.WithCancel(ctx)
	v.goroutines.Go(fault.Protect(func() {
		defer stopPods()
		selector := metav1.ListOptions{LabelSelector: w.selector()}
		var warn sync.Once
		kube.Follow(podsContext, c.api.Pods(w.namespace), selector, &corev1.Pod{}, v.pods, func(verb string, err error) {
			switch {
			case !isRefusal(err):
				c.log.Debug().Err(err).Str("workload", w.name).Msg(verb + " pods failed; trying again")
			case verb == "watch":
				warn.Do(func() {
					c.log.Warn().Err(err).Msg("no right to watch pods: looking every few seconds instead")
				})
			default:
				stopPods()
				select {
				case v.refused <- w.explain(err, verb+" pods of "+w.name):
				default:
				}
			}
		})
	}))
	one := metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", w.name).String()}
	v.optional(ctx, "workload", func(ctx context.Context, failed func(string, error)) {
		if manifest.Kind(w.node) == manifest.KindStatefulSet {
			kube.Follow(ctx, c.api.StatefulSets(w.namespace), one, &appsv1.StatefulSet{}, v.statefulSets, failed)
		} else {
			kube.Follow(ctx, c.api.Deployments(w.namespace), one, &appsv1.Deployment{}, v.deployments, failed)
		}
	})
	if manifest.Kind(w.node) == manifest.KindStatefulSet {
		// A Deployment says in its status why pods cannot be created; a
		// StatefulSet says it only in events.
		v.followEventsOf(ctx, ofWorkload, fields.Set{"involvedObject.kind": manifest.KindStatefulSet, "involvedObject.name": w.name})
	}
}

// followEvents begins a watch on the events of each pod not followed yet. One
// per pod, because in a namespace full of CI agents all events together are
// megabytes.
func (v *view) followEvents(ctx context.Context) {
	for _, p := range v.pods.Snapshot() {
		if _, ok := v.events[p.UID]; !ok && kube.IsLive(p) {
			v.followEventsOf(ctx, p.UID, fields.Set{"involvedObject.uid": string(p.UID)})
		}
	}
}

func (v *view) followEventsOf(ctx context.Context, key types.UID, which fields.Set) {
	m := kube.NewMirror[*corev1.Event](v.notify)
	v.events[key] = m
	v.optional(ctx, "events", func(ctx context.Context, failed func(string, error)) {
		selector := metav1.ListOptions{FieldSelector: which.AsSelector().String()}
		kube.Follow(ctx, v.workload.client.api.Events(v.workload.namespace), selector, &corev1.Event{}, m, failed)
	})
}

// optional runs a watch that the wait can do without.
func (v *view) optional(ctx context.Context, what string, run func(context.Context, func(string, error))) {
	log := v.workload.client.log.With().Str("workload", v.workload.name).Str("watch", what).Logger()
	ctx, stop := context.WithCancel(ctx)
	v.goroutines.Go(fault.Protect(func() {
		defer stop()
		run(ctx, func(verb string, err error) {
			if verb == "list" && isRefusal(err) {
				log.Debug().Err(err).Msg("not allowed; the wait goes on without its reasons")
				stop()
				return
			}
			log.Debug().Err(err).Msg(verb + " failed; trying again")
		})
	}))
}

func isRefusal(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err)
}

// next waits for a change, for recheck if there is one, or for the end.
func (v *view) next(ctx context.Context, recheck time.Time) error {
	var due <-chan time.Time
	if !recheck.IsZero() {
		t := time.NewTimer(time.Until(recheck))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-v.changed:
		return nil
	case <-due:
		return nil
	case err := <-v.refused:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for %s in namespace %s: %w", v.workload, v.workload.namespace, context.Cause(ctx))
	}
}

// staleEvent is how old a StatefulSet's complaint may be. Events live for an
// hour, and the trouble of an earlier build must not end this one.
const staleEvent = 5 * time.Minute

func (v *view) observe(now time.Time) judge.Observation {
	o := judge.Observation{
		Workload:  v.workload.String(),
		Namespace: v.workload.namespace,
		Replicas:  v.workload.node.Kubernetes.Replicas,
		MinReady:  v.workload.minReady,
		Gone:      v.deployments.HasLost() || v.statefulSets.HasLost(),
	}
	for _, p := range v.pods.Snapshot() {
		accepted := v.workload.accepts(p)
		switch {
		case v.ended[p.UID] || !v.workload.isMember(p):
		case manifest.Kind(v.workload.node) == manifest.KindStatefulSet && !kube.HasEnded(p) && (!accepted || p.DeletionTimestamp != nil):
			o.Draining = append(o.Draining, p.Name)
		case accepted:
			o.Pods = append(o.Pods, p)
		}
	}
	for key, m := range v.events {
		events := m.Snapshot()
		judge.SortEvents(events)
		if key != ofWorkload {
			o.Events = append(o.Events, events...)
			continue
		}
		e := judge.LastEvent(events, "FailedCreate", "SuccessfulCreate")
		if e != nil && e.Reason == "FailedCreate" && now.Sub(judge.EventTime(e)) < staleEvent {
			o.CreateFailure = e.Message
		}
	}
	judge.SortEvents(o.Events)
	slices.Sort(o.Draining)
	for _, d := range v.deployments.Snapshot() {
		o.ScaledToZero = v.sleeps(d.Spec.Replicas)
		for _, c := range d.Status.Conditions {
			if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
				o.CreateFailure = c.Message
			}
		}
	}
	for _, s := range v.statefulSets.Snapshot() {
		o.ScaledToZero = v.sleeps(s.Spec.Replicas)
	}
	o.WasUp = v.awake
	return o
}

// sleeps says whether a workload is scaled to zero, and remembers that it was
// not.
func (v *view) sleeps(replicas *int32) bool {
	zero := replicas != nil && *replicas == 0
	v.awake = v.awake || !zero
	return zero
}

// addLog adds the last words of a container that crashed: the last line to the
// message, a few more to the hints.
//
// The last run is the previous one while the container runs again or waits to,
// and the current one for a moment before that, when kubelet may have removed
// the one before.
func (w *workload) addLog(ctx context.Context, e *kube.Error, of judge.Crashed) {
	text, err := w.logTail(ctx, of, true)
	if text == "" {
		text, err = w.logTail(ctx, of, false)
	}
	if text == "" {
		w.client.log.Debug().Err(err).Str("pod", of.Pod).Msg("no log of the crashed container")
		e.Advice = append(e.Advice, fmt.Sprintf("see kubectl logs --namespace %s --previous %s --container %s", w.namespace, of.Pod, of.Container))
		return
	}
	lines := strings.Split(text, "\n")
	e.Message += ": " + strings.TrimSpace(lines[len(lines)-1])
	e.Advice = append(e.Advice, fmt.Sprintf("last lines of the log of container %s:\n  %s", of.Container, strings.Join(lines, "\n  ")))
}

// logTail are the last lines of a container's previous or current run; empty
// with an error.
func (w *workload) logTail(ctx context.Context, of judge.Crashed, previous bool) (string, error) {
	log, err := w.client.api.PodLog(w.namespace, of.Pod, &corev1.PodLogOptions{
		Container:  of.Container,
		Previous:   previous,
		TailLines:  new(int64(10)),
		LimitBytes: new(int64(8 << 10)),
	}).DoRaw(ctx)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(log))
	if strings.HasPrefix(text, "unable to retrieve container logs for") {
		// The kubelet says so with status 200 when it has removed the container.
		return "", errors.New(text)
	}
	return text, nil
}
