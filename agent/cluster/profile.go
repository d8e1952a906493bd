package cluster

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/slipway-build/slipway/configmap"
)

// ProfileRoot is what no definition asks for by name: root without the rights
// of a privileged pod.
const ProfileRoot configmap.Profile = "root"

// setProfile gives the pod what no driver-opt of the profile does.
func setProfile(pod *corev1.PodSpec, k *configmap.Kubernetes) {
	if k.Profile == configmap.ProfileUserNamespace {
		pod.HostUsers = new(false)
	}
}

// Profile is what the pods of node have by its definition. The error is an
// *Error with ReasonDefinition.
func (c *Client) Profile(node configmap.Node) (configmap.Profile, error) {
	spec, err := c.podSpec(node)
	if err != nil {
		return "", err
	}
	return profileOf(spec), nil
}

// profileOf reads the profile off a pod that runs buildkitd.
func profileOf(spec corev1.PodSpec) configmap.Profile {
	if spec.HostUsers != nil && !*spec.HostUsers {
		return configmap.ProfileUserNamespace
	}
	var user *int64
	if spec.SecurityContext != nil {
		user = spec.SecurityContext.RunAsUser
	}
	i := slices.IndexFunc(spec.Containers, func(c corev1.Container) bool { return c.Name == containerName })
	if i >= 0 && spec.Containers[i].SecurityContext != nil {
		own := spec.Containers[i].SecurityContext
		if own.Privileged != nil && *own.Privileged {
			return configmap.ProfilePrivileged
		}
		if own.RunAsUser != nil {
			user = own.RunAsUser
		}
	}
	if user != nil && *user != 0 {
		return configmap.ProfileRootless
	}
	return ProfileRoot
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
