package cluster

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Profile is what stands between the builds in a pod and its cluster node.
type Profile string

// The profiles, the safest first.
const (
	// ProfileUserNamespace: root in the pod is nobody on the cluster node.
	ProfileUserNamespace Profile = "user namespace"
	// ProfileRootless: buildkitd is not root.
	ProfileRootless Profile = "rootless"
	// ProfilePrivileged: root in the pod is root on the cluster node.
	ProfilePrivileged Profile = "privileged"
	// ProfileRoot: root without the rights of a privileged pod.
	ProfileRoot Profile = "root"
)

// profileOf reads the profile off a pod that runs buildkitd.
func profileOf(spec corev1.PodSpec) Profile {
	if spec.HostUsers != nil && !*spec.HostUsers {
		return ProfileUserNamespace
	}
	var user *int64
	if spec.SecurityContext != nil {
		user = spec.SecurityContext.RunAsUser
	}
	i := slices.IndexFunc(spec.Containers, func(c corev1.Container) bool { return c.Name == containerName })
	if i >= 0 && spec.Containers[i].SecurityContext != nil {
		own := spec.Containers[i].SecurityContext
		if own.Privileged != nil && *own.Privileged {
			return ProfilePrivileged
		}
		if own.RunAsUser != nil {
			user = own.RunAsUser
		}
	}
	if user != nil && *user != 0 {
		return ProfileRootless
	}
	return ProfileRoot
}
