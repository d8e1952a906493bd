package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/rbac"
)

// ErrChanged is what Sleep returns for a workload that has changed since it
// was looked at: somebody woke it, or its pods came and went.
var ErrChanged = errors.New("it has changed meanwhile")

// Sleep scales a workload to zero unless it has changed since it was read.
//
// A build may come between the look and this. It is none the worse: a pod that
// is asked to stop finishes what it has begun and takes nothing new, and an
// agent that finds no pod wakes the workload. An agent that woke it in between
// has changed it, so that its pods are not taken away while it waits for them.
//
// Errors are ErrChanged, or of type *kube.Error but for those of ctx.
func (c *Client) Sleep(ctx context.Context, is Status) error {
	err := c.api.Scale(kube.Quiet(ctx), is.Kind, is.Namespace, is.Name, 0, is.version)
	if apierrors.IsConflict(err) {
		return ErrChanged
	}
	return c.explainCollection(err, fmt.Sprintf("scale %s %s to zero in namespace %s", strings.ToLower(is.Kind), is.Name, is.Namespace))
}

// explainCollection names the role of garbage collection where a right is
// missing.
func (c *Client) explainCollection(err error, doing string) error {
	return kube.OfferRole(kube.Explain(err, doing, c.api.Identity(), rbac.SecretNames{}), rbac.CollectRole())
}
