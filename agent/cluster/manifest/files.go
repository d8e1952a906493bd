package manifest

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// ConfigPath is where a node's files are mounted and where buildkitd
	// looks for its configuration.
	ConfigPath = "/etc/buildkit"
	// daemonConfig is the file of a node that is buildkitd's configuration.
	daemonConfig = "buildkitd.toml"
)

// fileGroup is one directory of a node's files. A volume maps a flat set of
// keys to one directory, so each directory needs its own.
type fileGroup struct {
	// Name is "config" for the top directory and "config-1", "config-2", …
	// for the others: volume name and suffix of the object names.
	Name string
	// Dir is relative to ConfigPath.
	Dir     string
	Public  map[string][]byte
	Private map[string][]byte
}

// SplitFiles groups files by directory. buildx numbers the further
// directories in random order; here they are sorted, so that two agents write
// the same objects.
func SplitFiles(files map[string][]byte) []fileGroup {
	var groups []fileGroup
	index := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		dir := path.Dir(name)
		if _, ok := index[dir]; !ok {
			index[dir] = 0
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(index)) {
		g := fileGroup{Name: "config", Dir: dir, Public: map[string][]byte{}, Private: map[string][]byte{}}
		if dir != "." {
			// "." sorts before every other name, so it takes no number.
			n := len(groups)
			if len(groups) == 0 || groups[0].Dir != "." {
				n++
			}
			g.Name = fmt.Sprintf("config-%d", n)
		}
		index[dir] = len(groups)
		groups = append(groups, g)
	}
	for name, content := range files {
		g := groups[index[path.Dir(name)]]
		if isPrivateKey(name, content) {
			g.Private[path.Base(name)] = content
		} else {
			g.Public[path.Base(name)] = content
		}
	}
	return groups
}

// isPrivateKey is true for what belongs in a Secret: a file that is named like
// a key or holds a PEM block of one.
func isPrivateKey(name string, content []byte) bool {
	base := path.Base(name)
	return strings.HasSuffix(base, ".key") || base == "key.pem" || bytes.Contains(content, []byte("PRIVATE KEY-----"))
}

// mountFiles mounts each group at its directory. Directories nest: the kubelet
// makes the mount points inside the volume above.
func mountFiles(pod *corev1.PodSpec, container *corev1.Container, groups []fileGroup, workload string) {
	for _, g := range groups {
		object := corev1.LocalObjectReference{Name: workload + "-" + g.Name}
		volume := corev1.Volume{Name: g.Name}
		switch {
		case len(g.Private) == 0:
			volume.ConfigMap = &corev1.ConfigMapVolumeSource{LocalObjectReference: object}
		case len(g.Public) == 0:
			volume.Secret = &corev1.SecretVolumeSource{SecretName: object.Name}
		default:
			volume.Projected = &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
				{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: object}},
				{Secret: &corev1.SecretProjection{LocalObjectReference: object}},
			}}
		}
		pod.Volumes = append(pod.Volumes, volume)
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{
			Name:      g.Name,
			MountPath: path.Join(ConfigPath, g.Dir),
		})
	}
}

// fileObjects are the ConfigMaps and Secrets of the groups. meta is the
// workload's.
func fileObjects(groups []fileGroup, meta metav1.ObjectMeta) Objects {
	var objects Objects
	for _, g := range groups {
		m := *meta.DeepCopy()
		m.Name = meta.Name + "-" + g.Name
		if len(g.Public) > 0 {
			cm := &corev1.ConfigMap{
				TypeMeta:   metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "ConfigMap"},
				ObjectMeta: m,
			}
			SetContent(cm, g.Public)
			objects.ConfigMaps = append(objects.ConfigMaps, cm)
		}
		if len(g.Private) > 0 {
			objects.Secrets = append(objects.Secrets, &corev1.Secret{
				TypeMeta:   metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Secret"},
				ObjectMeta: m,
				Type:       corev1.SecretTypeOpaque,
				Data:       g.Private,
			})
		}
	}
	return objects
}

// SetContent makes files all that a ConfigMap holds. Its Data must be UTF-8, or
// the API server rejects it.
func SetContent(cm *corev1.ConfigMap, files map[string][]byte) {
	cm.Data, cm.BinaryData = nil, nil
	for name, content := range files {
		if utf8.Valid(content) {
			if cm.Data == nil {
				cm.Data = map[string]string{}
			}
			cm.Data[name] = string(content)
		} else {
			if cm.BinaryData == nil {
				cm.BinaryData = map[string][]byte{}
			}
			cm.BinaryData[name] = content
		}
	}
}
