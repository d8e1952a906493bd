package configmap

import (
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// Profile is what stands between the builds in a pod and its cluster node.
type Profile string

// The profiles, the safest first. docs/profiles.md tells what each is good for.
const (
	// ProfileUserNamespace: root in the pod is nobody on the cluster node.
	ProfileUserNamespace Profile = "user-namespace"
	// ProfileRootless: buildkitd is not root.
	ProfileRootless Profile = "rootless"
	// ProfilePrivileged: root in the pod is root on the cluster node.
	ProfilePrivileged Profile = "privileged"
)

func profiles() []string {
	return []string{string(ProfilePrivileged), string(ProfileRootless), string(ProfileUserNamespace)}
}

// applyProfile gives a node with a profile what belongs to it, and refuses what
// would make another of it. rootless is true where the driver-opt is given.
func applyProfile(k *Kubernetes, rootless bool, r report) {
	if k.Profile == "" {
		return
	}
	want := k.Profile == ProfileRootless
	if rootless && k.Rootless != want {
		r.key("driver-opt rootless").hinting("leave it out: the profile says it").bad("%t contradicts the profile %s", k.Rootless, k.Profile)
	}
	k.Rootless = want
	if k.Profile == ProfileUserNamespace && k.QEMU.Install {
		// Tried: what the init container registers is gone before buildkitd
		// starts, while emulators of the cluster node work.
		r.key("driver-opt qemu.install").hinting("install the emulators on the cluster nodes, or give the node another profile").
			bad("has no effect with the profile %s: emulators would be registered for the init container alone", k.Profile)
	}
	if len(k.PodTemplate) > 0 {
		checkProfileKept(k.Profile, k.PodTemplate, r.key("Slipway.podTemplate").hinting("leave it out, or give the node another profile"))
	}
}

// checkProfileKept applies a patch to the least of pods with the profile and
// looks at what makes the profile.
func checkProfileKept(profile Profile, patch json.RawMessage, r report) {
	security := &corev1.SecurityContext{Privileged: new(true)}
	if profile == ProfileRootless {
		security = &corev1.SecurityContext{RunAsUser: new(int64(1000))}
	}
	base, err := json.Marshal(corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		HostUsers:  new(profile != ProfileUserNamespace),
		Containers: []corev1.Container{{Name: "buildkitd", SecurityContext: security}},
	}})
	if err != nil {
		r.bad("%v", err)
		return
	}
	merged, err := strategicpatch.StrategicMergePatch(base, patch, corev1.PodTemplateSpec{})
	if err != nil {
		return // readPodTemplate has said it
	}
	var template corev1.PodTemplateSpec
	if json.Unmarshal(merged, &template) != nil {
		return // the same
	}
	spec := template.Spec
	if users := spec.HostUsers == nil || *spec.HostUsers; users == (profile == ProfileUserNamespace) {
		r.key("spec.hostUsers").bad("%t contradicts the profile %s", users, profile)
	}
	for _, one := range []struct {
		name string
		host bool
	}{{"hostNetwork", spec.HostNetwork}, {"hostPID", spec.HostPID}, {"hostIPC", spec.HostIPC}} {
		if one.host && profile == ProfileUserNamespace { // the API server would refuse the pod
			r.key("spec."+one.name).bad("true contradicts the profile %s", profile)
		}
	}
	i := slices.IndexFunc(spec.Containers, func(c corev1.Container) bool { return c.Name == "buildkitd" })
	if i < 0 {
		return // the same
	}
	r = r.key("spec.containers[buildkitd].securityContext")
	kept := spec.Containers[i].SecurityContext
	if kept == nil {
		r.bad("null contradicts the profile %s", profile)
		return
	}
	if privileged := kept.Privileged != nil && *kept.Privileged; privileged == (profile == ProfileRootless) {
		r.key("privileged").bad("%t contradicts the profile %s", privileged, profile)
	}
	if user := kept.RunAsUser; profile == ProfileRootless && (user == nil || *user == 0) {
		r.key("runAsUser").bad("root contradicts the profile %s", profile)
	} else if profile != ProfileRootless && user != nil && *user != 0 {
		r.key("runAsUser").bad("%d contradicts the profile %s, in which buildkitd is root of its pod", *user, profile)
	}
}
