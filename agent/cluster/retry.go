package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/slipway-build/slipway/agent/cluster/kube"
)

// conflictBackoff says how often and how fast a write is made again that met
// another one. Each round somebody gets through, and the pauses spread the
// others, so a hundred agents may write at once.
func conflictBackoff() wait.Backoff {
	return wait.Backoff{Steps: 60, Duration: 10 * time.Millisecond, Factor: 1.1, Jitter: 1}
}

// retryOnConflict calls write again as long as it fails with a conflict, the API
// server's own or an explained one. doing says what it does, as in "update
// deployment builder".
func (w *workload) retryOnConflict(ctx context.Context, doing string, write func() error) error {
	err := kube.Retry(conflictBackoff(), func(err error) bool { return apierrors.IsConflict(err) && ctx.Err() == nil }, write)
	switch {
	case !apierrors.IsConflict(err):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%s in namespace %s: %w", doing, w.namespace, context.Cause(ctx))
	}
	return &kube.Error{
		Reason:  kube.ReasonServer,
		Message: fmt.Sprintf("%s in namespace %s: others write it all the time", doing, w.namespace),
		Advice:  []string{"try again"},
	}
}

// raced is the conflict of a write that found an object where there was none, or
// the other way round.
func raced(object string) error {
	return apierrors.NewConflict(schema.GroupResource{}, object, errors.New("it was created or deleted meanwhile"))
}
