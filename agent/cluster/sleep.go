package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

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
// Errors are ErrChanged, or of type *Error but for those of ctx.
func (c *Client) Sleep(ctx context.Context, is Status) error {
	err := c.scale(quiet(ctx), is, 0, fmt.Sprintf(`{"metadata":{"resourceVersion":%q},`, is.version))
	if apierrors.IsConflict(err) {
		return ErrChanged
	}
	return c.explainCollection(err, fmt.Sprintf("scale %s %s to zero in namespace %s", strings.ToLower(is.Kind), is.Name, is.Namespace))
}

// scale sets the replicas through the subresource, for which a role needs no
// right to change anything else. head is how the patch begins. The error is
// the API server's.
func (c *Client) scale(ctx context.Context, is Status, replicas int32, head string) error {
	return c.apps.Patch(types.MergePatchType).
		Namespace(is.Namespace).
		Resource(strings.ToLower(is.Kind)+"s").
		Name(is.Name).
		SubResource("scale").
		VersionedParams(&metav1.PatchOptions{FieldManager: managedBy}, c.parameters).
		Body(fmt.Appendf(nil, `%s"spec":{"replicas":%d}}`, head, replicas)).
		Do(ctx).
		Error()
}

// explainCollection names the role of garbage collection where a right is
// missing.
func (c *Client) explainCollection(err error, doing string) error {
	return offerRole(explain(err, doing, c.identity, rbac.SecretNames{}), rbac.CollectRole())
}
