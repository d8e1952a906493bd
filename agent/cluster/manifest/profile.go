package manifest

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

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

// ProfileOf reads the profile off a pod that runs buildkitd.
func ProfileOf(spec corev1.PodSpec) configmap.Profile {
	if spec.HostUsers != nil && !*spec.HostUsers {
		return configmap.ProfileUserNamespace
	}
	var user *int64
	if spec.SecurityContext != nil {
		user = spec.SecurityContext.RunAsUser
	}
	i := slices.IndexFunc(spec.Containers, func(c corev1.Container) bool { return c.Name == ContainerName })
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
