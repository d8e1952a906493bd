package cluster

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// Profile is what the pods of node have by its definition. The error is an
// *kube.Error with ReasonDefinition.
func (c *Client) Profile(node configmap.Node) (configmap.Profile, error) {
	spec, err := c.podSpec(node)
	if err != nil {
		return "", err
	}
	return manifest.ProfileOf(spec), nil
}

// userNamespacesSince is the first Kubernetes that has user namespaces switched
// on by default.
var userNamespacesSince = version.MajorMinor(1, 33)

// HasUserNamespaces is true for API servers that keep hostUsers by default; an
// older one takes the field and forgets it.
func (s Server) HasUserNamespaces() bool { return hasUserNamespacesSince(s.Version) }

func hasUserNamespacesSince(kubernetes string) bool {
	v, err := version.ParseGeneric(kubernetes)
	return err == nil && v.AtLeast(userNamespacesSince)
}

// hasUserNamespaces is true when a cluster node runs pods of the spec in user
// namespaces of their own. What another runtime class does there is not known.
func hasUserNamespaces(n corev1.Node, spec corev1.PodSpec) bool {
	if !hasUserNamespacesSince(n.Status.NodeInfo.KubeletVersion) || spec.RuntimeClassName != nil {
		return false
	}
	return slices.ContainsFunc(n.Status.RuntimeHandlers, func(h corev1.NodeRuntimeHandler) bool {
		return h.Name == "" && h.Features != nil && h.Features.UserNamespaces != nil && *h.Features.UserNamespaces
	})
}
