package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipway-build/slipway/agent/cluster/diff"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// maxListed is how many fields a message names.
const maxListed = 6

// Reconcile compares node's workload with the definition, field by field, and
// does about it what node.Kubernetes.Drift says: nothing where that is empty
// or DriftIgnore. After DriftApply, Up waits for a pod of the new template.
// Where there is no workload yet, it makes it. Errors are of type *kube.Error but
// for those of ctx; a drift under DriftFail has ReasonDrift.
func (c *Client) Reconcile(ctx context.Context, node configmap.Node, report func(string)) error {
	limited, cancel := context.WithTimeout(kube.Quiet(ctx), node.Kubernetes.Timeout)
	defer cancel()
	w := newWorkload(c, node, report)
	_, err := w.reconcile(limited)
	if apierrors.IsNotFound(err) {
		err = w.ensure(limited)
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return w.timeoutError(err)
	}
	return err
}

// reconcile does what the policy says. fresh is true when the workload makes
// other pods than those there may be. That there is no workload is the API
// server's own error.
func (w *workload) reconcile(ctx context.Context) (fresh bool, err error) {
	policy := w.node.Kubernetes.Drift
	if !diff.Compares(policy) {
		return false, nil
	}
	err = w.retryOnConflict(ctx, "update "+w.String(), func() (err error) {
		fresh, err = w.reconcileOnce(ctx, policy)
		return err
	})
	return fresh, err
}

// reconcileOnce is reconcile up to the first conflict, which is its error.
func (w *workload) reconcileOnce(ctx context.Context, policy configmap.Drift) (fresh bool, err error) {
	var is manifest.Workload
	var d drift
	if is, err = w.find(ctx); err == nil {
		d, err = w.compare(ctx, is, policy == configmap.DriftApply)
	}
	switch {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err), kube.IsContextError(err):
		return false, err
	case err != nil && policy == configmap.DriftWarn:
		w.warnOnce(fmt.Sprintf("%s in namespace %s cannot be compared with its definition: %v", w, w.namespace, err))
		return false, nil
	case err != nil:
		return false, err
	case len(d.lines) == 0:
		return is.Hash() == d.should.Hash(), nil
	case policy == configmap.DriftWarn:
		w.warnOfDrift(d)
		return false, nil
	case policy == configmap.DriftFail:
		return false, w.driftError(d)
	}
	return w.apply(ctx, d)
}

// apply writes what differs: what pods mount before what makes pods. rolled is
// true when the workload has another template by that. That somebody else has
// written the workload is the API server's own error.
func (w *workload) apply(ctx context.Context, d drift) (rolled bool, err error) {
	switch {
	case d.updates && kube.IsMissingRight(d.dryRunErr):
		return false, w.updateForbiddenError(d)
	case !d.writes():
		w.warnOnce(w.driftSummary(d) + "; that is not slipway's to change")
		return false, nil
	}
	w.report(w.driftSummary(d) + "; updating it")
	if len(d.unapplied) > 0 {
		w.report(fmt.Sprintf("left alone in %s: %s", w, strings.Join(d.unapplied, ", ")))
	}
	if d.needsCertificates {
		if err := w.certify(ctx, certifyCheck); err != nil {
			return false, err
		}
	}
	if err := w.writeFiles(ctx, d.files); err != nil {
		return false, err
	}
	if !d.updates {
		return false, nil
	}
	var before []*corev1.Pod
	if d.replacesPods {
		if before, err = w.list(ctx); err != nil {
			return false, err
		}
	}
	is, err := w.put(ctx, d.should, false)
	switch {
	case apierrors.IsConflict(err):
		return false, err
	case err != nil:
		return false, w.explain(err, "update "+w.String())
	case equality.Semantic.DeepEqual(is.Template(), d.is.Template()):
		return false, nil
	}
	outdated, err := diff.OutdatedPods(before, *d.is.Template(), *is.Template())
	if err != nil {
		return false, err
	}
	w.client.rememberOutdated(w.key(), outdated)
	return true, nil
}

// warnOfDrift tells of a drift that is left as it is: once for each client, and
// with all others when the command's display is closed where there is one.
func (w *workload) warnOfDrift(d drift) {
	workload := fmt.Sprintf("%s in namespace %s", w, w.namespace)
	c := w.client
	if c.drifts == nil {
		var alone Drifts
		alone.Note(workload, differences(d))
		w.warnOnce(alone.Take())
		return
	}
	c.mu.Lock()
	told := c.warned[workload]
	c.warned[workload] = true
	c.mu.Unlock()
	if !told {
		c.drifts.Note(workload, differences(d))
	}
}

// driftSummary is the drift in one line.
func (w *workload) driftSummary(d drift) string {
	return fmt.Sprintf("%s in namespace %s is not as its definition says: %s", w, w.namespace, differences(d))
}

// differences are the lines of a drift in one.
func differences(d drift) string {
	told := d.lines
	more := ""
	if len(told) > maxListed {
		more = fmt.Sprintf("; and %d more, which slipway inspect shows", len(told)-maxListed)
		told = told[:maxListed]
	}
	return strings.Join(told, "; ") + more
}

func (w *workload) driftError(d drift) error {
	return &kube.Error{
		Reason:  kube.ReasonDrift,
		Message: w.driftSummary(d),
		Advice:  []string{"bring it up to date: slipway up", "or build with it as it is: --drift warn"},
	}
}

// updateForbiddenError is the error of an agent that is to apply and lacks the right to.
func (w *workload) updateForbiddenError(d drift) error {
	err := w.explain(d.dryRunErr, "update "+w.String())
	if known := (*kube.Error)(nil); errors.As(err, &known) {
		known.Message = w.driftSummary(d) + ", and it may not be updated: " + known.Message
		known.Advice = append(known.Advice, "or leave it as it is: --drift warn")
	}
	return err
}

// warnOnce logs a line, once for each line and client: a build that tries
// several pods looks several times.
func (w *workload) warnOnce(line string) {
	c := w.client
	c.mu.Lock()
	told := c.warned[line]
	c.warned[line] = true
	c.mu.Unlock()
	if !told {
		c.log.Warn().Msg(line)
	}
}

// rememberOutdated remembers pods of a template that is no more.
func (c *Client) rememberOutdated(key string, pods map[types.UID]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outdated[key] = pods
}
