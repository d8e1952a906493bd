package manifest

import (
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/configmap"
)

const (
	// StateVolume is the name buildx gives to the claim and to the volume of
	// rootless builders.
	StateVolume = "buildkitd"
	// memoryVolume is the name buildx gives to buildkit-root-volume-memory.
	memoryVolume = "buildkit-memory"

	statePath         = "/var/lib/buildkit"
	rootlessStatePath = "/home/user/.local/share/buildkit"
	// rootlessUser is the user of BuildKit's rootless image.
	rootlessUser = int64(1000)
)

// podTemplate is the pod of a node before the definition's patch.
func podTemplate(node configmap.Node, labels, annotations map[string]string, files []fileGroup) corev1.PodTemplateSpec {
	k := node.Kubernetes
	container := corev1.Container{
		Name:           ContainerName,
		Image:          k.Image,
		Args:           slices.Clone(node.Flags),
		Env:            slices.Clone(k.Env),
		Resources:      corev1.ResourceRequirements{Requests: k.Requests, Limits: k.Limits},
		StartupProbe:   startupProbe(),
		ReadinessProbe: readinessProbe(),
		LivenessProbe:  livenessProbe(),
	}
	pod := corev1.PodSpec{
		ServiceAccountName: k.ServiceAccount,
		SchedulerName:      k.SchedulerName,
		NodeSelector:       maps.Clone(k.NodeSelector),
		Tolerations:        slices.Clone(k.Tolerations),
		// Builds find no use for a variable per Service of the namespace, and
		// in a large one they slow down every process start.
		EnableServiceLinks: new(false),
	}
	if k.ServiceAccount == "" {
		// A build step must not be able to read a token that nobody meant to
		// give it. Who names an account wants it.
		pod.AutomountServiceAccountToken = new(false)
	}
	if k.Rootless {
		container.Args = append(container.Args, "--oci-worker-no-process-sandbox")
		if _, ok := node.Files[daemonConfig]; ok && !namesConfig(node.Flags) {
			// A rootless buildkitd looks below its home directory, so that
			// buildx's mount is never read there.
			container.Args = append(container.Args, "--config", path.Join(ConfigPath, daemonConfig))
		}
		// rootlesskit needs to mount and to unshare, which the default
		// profiles of seccomp and AppArmor deny.
		container.SecurityContext = &corev1.SecurityContext{
			RunAsUser:       new(rootlessUser),
			RunAsGroup:      new(rootlessUser),
			SeccompProfile:  &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined},
			AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined},
		}
		if k.ClaimStorage != nil {
			// A fresh claim belongs to root.
			pod.SecurityContext = &corev1.PodSecurityContext{FSGroup: new(rootlessUser)}
		}
	} else {
		container.SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
	}
	setProfile(&pod, k)
	if k.QEMU.Install {
		pod.InitContainers = []corev1.Container{{
			Name:            QEMUContainerName,
			Image:           k.QEMU.Image,
			Args:            []string{"--install", "all"},
			SecurityContext: &corev1.SecurityContext{Privileged: new(true)},
		}}
	}
	mountState(&pod, &container, k)
	mountFiles(&pod, &container, files, WorkloadName(node))
	pod.Containers = []corev1.Container{container}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{
			Labels:      maps.Clone(labels),
			Annotations: maps.Clone(annotations),
		},
		Spec: pod,
	}
	addDrain(&template, k.TerminationGrace)
	return template
}

// namesConfig is true when buildkitd's flags choose a configuration already.
func namesConfig(flags []string) bool {
	return slices.ContainsFunc(flags, func(f string) bool {
		return f == "--config" || strings.HasPrefix(f, "--config=")
	})
}

// mountState gives buildkitd a volume for its state in every case. Without one
// the state lies in the container's own overlay, and because overlayfs does
// not stack on overlayfs BuildKit falls back to the native snapshotter, which
// copies every layer.
func mountState(pod *corev1.PodSpec, container *corev1.Container, k *configmap.Kubernetes) {
	mount := corev1.VolumeMount{Name: StateVolume, MountPath: statePath}
	if k.Rootless {
		mount.MountPath = rootlessStatePath
	}
	emptyDir := &corev1.EmptyDirVolumeSource{}
	switch {
	case k.ClaimStorage != nil:
		// The claim template bears the volume's name.
		emptyDir = nil
	case k.RootVolumeMemory != nil:
		emptyDir.Medium = corev1.StorageMediumMemory
		emptyDir.SizeLimit = new(k.RootVolumeMemory.DeepCopy())
		if !k.Rootless {
			mount.Name = memoryVolume
		}
	}
	if emptyDir != nil {
		pod.Volumes = append(pod.Volumes, corev1.Volume{
			Name:         mount.Name,
			VolumeSource: corev1.VolumeSource{EmptyDir: emptyDir},
		})
	}
	container.VolumeMounts = append(container.VolumeMounts, mount)
}

// askWorkers succeeds when buildkitd answers a request.
func askWorkers() corev1.ProbeHandler {
	return corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"buildctl", "debug", "workers"}}}
}

// startupProbe asks each second, so a pod counts as ready at once when
// buildkitd answers. It asks by exec even where buildkitd listens on TCP: the
// listener is opened before the workers are
// (https://github.com/moby/buildkit/issues/4618), and a connection made then
// waits for them. One answer may take long, because under emulation or on a
// loaded cluster node the probe's own process does; ten minutes of refusals
// are needed before the kubelet starts the container again.
func startupProbe() *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:                  askWorkers(),
		PeriodSeconds:                 1,
		TimeoutSeconds:                60,
		FailureThreshold:              600,
		TerminationGracePeriodSeconds: new(int64(stuckGrace)),
	}
}

// readinessProbe takes a pod out of the choice only when it has not answered
// for a while: a busy buildkitd is slow to answer and still the right one.
// addListener replaces the handler by one that starts no process.
func readinessProbe() *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:     askWorkers(),
		PeriodSeconds:    15,
		TimeoutSeconds:   60,
		FailureThreshold: 4,
	}
}

// livenessProbe ends a buildkitd that is stuck for good. buildx's kills after
// three failures in a row, a minute in all, which hits healthy builders under
// load and takes all their builds along; this one wants three failures over ten
// minutes, each answer with a minute to come. A busy buildkitd is not silent
// for so long: the answer needs no disk, no lock of a build and next to no CPU.
// It is asked by exec even where buildkitd listens on TCP, because the kernel
// accepts connections for a process that is stuck; and rarely, because each
// exec costs about as much CPU as an idle buildkitd needs in ten minutes. A pod
// that drains is asked no more, which is the kubelet's way.
func livenessProbe() *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:                  askWorkers(),
		PeriodSeconds:                 300,
		TimeoutSeconds:                60,
		FailureThreshold:              3,
		TerminationGracePeriodSeconds: new(int64(stuckGrace)),
	}
}
