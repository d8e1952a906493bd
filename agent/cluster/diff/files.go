package diff

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/slipway-build/slipway/agent/cluster/manifest"
)

// Files are the names of the files that are not the same: those that are
// wanted, then those that are there and not wanted.
func Files(is, wanted map[string][]byte) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if content, ok := is[name]; !ok || !bytes.Equal(content, wanted[name]) {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if _, ok := wanted[name]; !ok {
			names = append(names, name)
		}
	}
	return names
}

// ContentOf are the files in a ConfigMap, which may be nil.
func ContentOf(cm *corev1.ConfigMap) map[string][]byte {
	if cm == nil {
		return nil
	}
	all := map[string][]byte{}
	for name, text := range cm.Data {
		all[name] = []byte(text)
	}
	maps.Copy(all, cm.BinaryData)
	return all
}

// MountedConfigMap is the ConfigMap that buildkitd has at a directory.
func MountedConfigMap(pod corev1.PodSpec, at string) string {
	container := manifest.BuildkitdContainer(&pod)
	if container == nil {
		return ""
	}
	for _, mount := range container.VolumeMounts {
		if strings.TrimSuffix(mount.MountPath, "/") != at {
			continue
		}
		for _, volume := range pod.Volumes {
			if volume.Name == mount.Name && volume.ConfigMap != nil {
				return volume.ConfigMap.Name
			}
		}
	}
	return ""
}
