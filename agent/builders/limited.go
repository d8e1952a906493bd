package builders

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
)

// limited is a cluster that is waited for until a time at most, whatever the
// definition allows. What is waited for then ends with its reason, which the end
// of a context would not.
type limited struct {
	started
	timeout time.Duration
	until   time.Time
}

// Up implements fleet.Cluster.
func (l limited) Up(ctx context.Context, node configmap.Node, report func(string)) ([]kube.Pod, error) {
	node, capped := l.limit(node)
	pods, err := l.started.Up(ctx, node, report)
	return pods, l.explain(err, capped)
}

// UpTo implements started.
func (l limited) UpTo(ctx context.Context, node configmap.Node, least int, report func(string)) ([]kube.Pod, error) {
	node, capped := l.limit(node)
	pods, err := l.started.UpTo(ctx, node, least, report)
	return pods, l.explain(err, capped)
}

// Reconcile implements fleet.Cluster.
func (l limited) Reconcile(ctx context.Context, node configmap.Node, report func(string)) error {
	node, capped := l.limit(node)
	return l.explain(l.started.Reconcile(ctx, node, report), capped)
}

// limit is the node with a timeout that leaves no more than the time that is
// left, and whether that is less than the definition has.
func (l limited) limit(node configmap.Node) (_ configmap.Node, capped bool) {
	left := max(time.Until(l.until), time.Second) // enough to be told the reason
	if node.Kubernetes == nil || node.Kubernetes.Timeout <= left {
		return node, false
	}
	kubernetes := *node.Kubernetes
	kubernetes.Timeout = left.Round(time.Second)
	node.Kubernetes = &kubernetes
	return node, true
}

// explain says which limit a wait has met.
func (l limited) explain(err error, capped bool) error {
	known := (*kube.Error)(nil)
	if capped && errors.As(err, &known) && known.Reason == kube.ReasonTimeout {
		known.Advice = []string{fmt.Sprintf("if this only needs longer, raise --timeout, which is %s, or leave it out: the driver-opt timeout= of the definition is longer", l.timeout)}
	}
	return err
}

// lateError is why a connection is no longer waited for. Dialling and the wait
// for the answer are bounded by the connector: they have no other reason to give.
type lateError struct{ timeout time.Duration }

// Error implements error.
func (e lateError) Error() string { return fmt.Sprintf("no answer within --timeout %s", e.timeout) }

// Hints say what to do about it.
func (e lateError) Hints() []string {
	return []string{"if this only needs longer, raise --timeout, or leave it out"}
}

// Unwrap makes it the end of a context.
func (e lateError) Unwrap() error { return context.DeadlineExceeded }
