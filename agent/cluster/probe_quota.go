package cluster

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/rbac"
	"github.com/slipway-build/slipway/configmap"
)

// Quota is what the ResourceQuotas of a namespace leave for one pod of a node.
type Quota struct {
	// Quotas counts those there are, Scoped those of them that were passed by.
	Quotas, Scoped int
	// Exceeded says what one more pod would exceed, as in "quota small: pods:
	// 1 wanted, 0 of 1 left".
	Exceeded []string
}

// Quota compares one pod of node with the quotas of its namespace. Quotas with
// scopes are passed by: they may not count the pod. Errors are of type *kube.Error
// but for those of ctx.
func (c *Client) Quota(ctx context.Context, node configmap.Node) (Quota, error) {
	list, err := c.api.Quotas(c.Namespace(node)).List(kube.Quiet(ctx), metav1.ListOptions{})
	if err != nil {
		return Quota{}, kube.Explain(err, "list the quotas of namespace "+c.Namespace(node), c.api.Identity(), rbac.SecretNames{})
	}
	return exceeded(node, list.Items), nil
}

func exceeded(node configmap.Node, quotas []corev1.ResourceQuota) Quota {
	wanted := corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(1, resource.DecimalSI)}
	for name, q := range node.Kubernetes.Requests {
		wanted[name], wanted["requests."+name] = q, q
	}
	for name, q := range node.Kubernetes.Limits {
		wanted["limits."+name] = q
	}
	q := Quota{Quotas: len(quotas)}
	for _, quota := range quotas {
		if len(quota.Spec.Scopes) > 0 || quota.Spec.ScopeSelector != nil {
			q.Scoped++
			continue
		}
		for name, hard := range quota.Status.Hard {
			want, counted := wanted[name]
			left := hard.DeepCopy()
			left.Sub(quota.Status.Used[name])
			if counted && want.Cmp(left) > 0 {
				q.Exceeded = append(q.Exceeded, fmt.Sprintf("quota %s: %s: %s wanted, %s of %s left", quota.Name, name, &want, &left, &hard))
			}
		}
	}
	slices.Sort(q.Exceeded)
	return q
}

// QuotaHints say what to do about a quota that leaves no room.
func QuotaHints() []string {
	_, hints := kube.Refusal("exceeded quota")
	return hints
}
