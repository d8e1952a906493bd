package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/klog/v2"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/agent/cluster/rbac"
	"github.com/slipway-build/slipway/configmap"
)

// Places says on which cluster nodes a node's pods may run.
type Places struct {
	// Fit are names of cluster nodes.
	Fit []string
	// Unfit says of every other one why not, as in "node1: taint gpu".
	Unfit []string
	// Native is true when one of Fit is of an architecture that the node
	// claims, or it claims none.
	Native bool
	// UserNamespaces are those of Fit that can run its pods in user namespaces.
	UserNamespaces []string
}

// Places compares the selector and the tolerations of node's pod with the
// labels and taints of the cluster nodes. What else the scheduler looks at,
// it does not. Errors are of type *kube.Error but for those of ctx.
func (c *Client) Places(ctx context.Context, node configmap.Node) (Places, error) {
	list, err := c.api.ClusterNodes().List(kube.Quiet(ctx), metav1.ListOptions{})
	if apierrors.IsForbidden(err) {
		// The words about a right to the whole cluster are not those about a
		// right in a namespace, and no role is to be offered for it.
		return Places{}, &kube.Error{Reason: kube.ReasonForbidden, Message: "list the cluster nodes: " + err.Error(), Cause: err}
	}
	if err != nil {
		return Places{}, kube.Explain(err, "list the cluster nodes", c.api.Identity(), rbac.SecretNames{})
	}
	spec, err := c.podSpec(node)
	if err != nil {
		return Places{}, err
	}
	return place(spec, node, list.Items), nil
}

// podSpec is the spec of node's pods.
func (c *Client) podSpec(node configmap.Node) (corev1.PodSpec, error) {
	objects, err := manifest.Of(node, c.Namespace(node))
	switch {
	case err != nil:
		return corev1.PodSpec{}, err
	case objects.StatefulSet != nil:
		return objects.StatefulSet.Spec.Template.Spec, nil
	}
	return objects.Deployment.Spec.Template.Spec, nil
}

func place(spec corev1.PodSpec, node configmap.Node, all []corev1.Node) Places {
	p := Places{Native: len(node.Platforms) == 0}
	for _, n := range all {
		if why := unfit(spec, n); why != "" {
			p.Unfit = append(p.Unfit, n.Name+": "+why)
			continue
		}
		p.Fit = append(p.Fit, n.Name)
		if hasUserNamespaces(n, spec) {
			p.UserNamespaces = append(p.UserNamespaces, n.Name)
		}
		own := platforms.Normalize(platforms.Platform{OS: n.Labels[corev1.LabelOSStable], Architecture: n.Labels[corev1.LabelArchStable]})
		for _, want := range node.Platforms {
			p.Native = p.Native || platforms.Only(own).Match(want)
		}
	}
	return p
}

// unfit says why a cluster node takes no pod of the spec, empty if it does.
func unfit(spec corev1.PodSpec, n corev1.Node) string {
	if want := labels.SelectorFromSet(spec.NodeSelector); !want.Matches(labels.Set(n.Labels)) {
		return fmt.Sprintf("has not the labels %s (architecture %s)", want, n.Labels[corev1.LabelArchStable])
	}
	if n.Spec.Unschedulable {
		return "cordoned"
	}
	for _, condition := range n.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status != corev1.ConditionTrue {
			return "not ready: " + condition.Message
		}
	}
	var taints []string
	for _, taint := range n.Spec.Taints {
		tolerated := slices.ContainsFunc(spec.Tolerations, func(t corev1.Toleration) bool {
			return t.ToleratesTaint(klog.New(nil), &taint, false)
		})
		if !tolerated && taint.Effect != corev1.TaintEffectPreferNoSchedule {
			taints = append(taints, taint.ToString())
		}
	}
	if len(taints) > 0 {
		return "taint " + strings.Join(taints, ", ")
	}
	return ""
}
