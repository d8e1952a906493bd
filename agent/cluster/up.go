package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipway-build/slipway/agent/cluster/diff"
	"github.com/slipway-build/slipway/agent/cluster/judge"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// Up makes sure that node's workload exists and waits until one of its pods is
// ready, for as long as the node's timeout allows. It returns all ready pods
// that are not terminating, by name. report gets one line whenever what is
// waited for changes; nothing is reported when a pod is ready already, which
// costs one request. Errors are of type *kube.Error but for those of ctx.
func (c *Client) Up(ctx context.Context, node configmap.Node, report func(string)) ([]kube.Pod, error) {
	return c.UpTo(ctx, node, 1, report)
}

// UpTo is Up for as many ready pods as least says. It is for the node's
// definition to have that many replicas.
func (c *Client) UpTo(ctx context.Context, node configmap.Node, least int, report func(string)) ([]kube.Pod, error) {
	limited, cancel := context.WithTimeout(kube.Quiet(ctx), node.Kubernetes.Timeout)
	defer cancel()
	w := newWorkload(c, node, report)
	w.minReady = least
	pods, err := w.upWithCredential(limited)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, w.timeoutError(err)
	}
	return pods, err
}

// workload is one node's, for the time of one call.
type workload struct {
	client    *Client
	node      configmap.Node
	namespace string
	name      string
	report    func(string)
	// minReady is how many ready pods are waited for; 0 is one.
	minReady int
	// lastWaiting is what was waited for when the wait ended.
	lastWaiting []string
	// outdated and hashes say which pods will not do: those of a template that
	// was replaced, and those without one of the hashes, where there are any.
	outdated map[types.UID]bool
	hashes   []string
	// collected is true where it is garbage collection that looks at the
	// workload; mounted are then the Secrets that its pods mount, for no
	// definition names them.
	collected bool
	mounted   []string

	whole, execOnly objectsOnce
}

// objectsOnce keeps what is made of a definition for the time of one call.
type objectsOnce struct {
	once    sync.Once
	objects manifest.Objects
	err     error
}

func (o *objectsOnce) of(node configmap.Node, namespace string) (manifest.Objects, error) {
	o.once.Do(func() { o.objects, o.err = manifest.Of(node, namespace) })
	return o.objects, o.err
}

// objects are those of the node; they are shared and not to be changed.
func (w *workload) objects() (manifest.Objects, error) { return w.whole.of(w.node, w.namespace) }

// execObjects are those of the node as one that is reached by exec only; they are
// shared and not to be changed.
func (w *workload) execObjects() (manifest.Objects, error) {
	return w.execOnly.of(manifest.WithoutListener(w.node), w.namespace)
}

func newWorkload(c *Client, node configmap.Node, report func(string)) *workload {
	return &workload{client: c, node: node, namespace: c.Namespace(node), name: manifest.WorkloadName(node), report: report}
}

// String is how messages call it.
func (w *workload) String() string {
	return strings.ToLower(manifest.Kind(w.node)) + " " + w.name
}

// key tells the workloads apart that a client is used for.
func (w *workload) key() string { return w.namespace + "/" + w.name }

func (w *workload) selector() string {
	return labels.SelectorFromSet(labels.Set{manifest.LabelApp: w.name}).String()
}

// upWithCredential reads the client's certificates while it looks for pods, so
// that a warm build waits for one round trip and not for two. Where no pod
// listens, it waits for none of that.
func (w *workload) upWithCredential(ctx context.Context) ([]kube.Pod, error) {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var reader sync.WaitGroup
	defer reader.Wait()
	if w.client.dialer.Pinned(w.node) != configmap.TransportExec {
		reader.Go(fault.Protect(func() {
			// Dial tells what is wrong with it, if it comes to that.
			_, _ = w.client.dialer.Credential(reading, w.node)
		}))
	}
	pods, err := w.up(ctx)
	if !slices.ContainsFunc(pods, func(p kube.Pod) bool { return p.Listens }) {
		stop()
		return pods, err
	}
	reader.Wait()
	w.renewIfDue(ctx, time.Now())
	return pods, err
}

func (w *workload) up(ctx context.Context) ([]kube.Pod, error) {
	// The hash is made while the answer is on its way.
	var want diff.Revision
	var wrong error
	var making sync.WaitGroup
	making.Go(fault.Protect(func() { want, wrong = w.revision() }))
	pods, err := w.list(ctx)
	making.Wait()
	if err = cmp.Or(err, wrong); err != nil {
		return nil, err
	}
	if pods, err = w.reconcileDrift(ctx, want, pods); err != nil {
		return nil, err
	}
	if ready := judge.ReadyPods(pods); len(ready) >= max(w.minReady, 1) {
		return ready, nil
	}
	switch {
	// A live pod proves its workload; without one it may be absent or asleep.
	case !anyLive(pods):
		if err := w.ensure(ctx); err != nil {
			return nil, err
		}
	case slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return kube.IsLive(p) && p.Annotations[manifest.AnnotationTLS] != "" }):
		w.repairCertificates(ctx)
	}
	return w.wait(ctx, pods)
}

func (w *workload) list(ctx context.Context) ([]*corev1.Pod, error) {
	list, err := w.client.api.Pods(w.namespace).List(ctx, metav1.ListOptions{LabelSelector: w.selector()})
	if err != nil {
		return nil, w.explain(err, "list pods of "+w.name)
	}
	var pods []*corev1.Pod
	for i := range list.Items {
		if w.isMember(&list.Items[i]) {
			pods = append(pods, &list.Items[i])
		}
	}
	return pods, nil
}

func (w *workload) explain(err error, doing string) error {
	return kube.Explain(err, fmt.Sprintf("%s in namespace %s", doing, w.namespace), w.client.api.Identity(), manifest.SecretNames(w.node))
}

func (w *workload) timeoutError(cause error) error {
	what := "the API server did not answer in time"
	if len(w.lastWaiting) > 0 {
		what = strings.Join(w.lastWaiting, "; ")
	}
	// What was not even asked is no wait for pods.
	if len(w.lastWaiting) == 0 && kube.IsUnanswered(cause) {
		return kube.Unreachable(cause, fmt.Sprintf("look for %s in namespace %s for %s", w, w.namespace, w.node.Kubernetes.Timeout), w.client.api.Identity())
	}
	return &kube.Error{
		Reason:  kube.ReasonTimeout,
		Message: fmt.Sprintf("%s in namespace %s: %s became ready within %s: %s", w, w.namespace, shortage(w.minReady), w.node.Kubernetes.Timeout, what),
		Advice:  []string{"if this only needs longer, raise the driver-opt timeout= of the definition"},
		Cause:   cause,
	}
}

func anyLive(pods []*corev1.Pod) bool {
	for _, p := range pods {
		if kube.IsLive(p) {
			return true
		}
	}
	return false
}

// shortage is what there was instead of the ready pods that were waited for.
func shortage(least int) string {
	if least > 1 {
		return fmt.Sprintf("fewer than %d pods", least)
	}
	return "no pod"
}
