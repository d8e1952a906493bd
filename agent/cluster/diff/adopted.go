package diff

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// Adopted returns a workload that others made, such as buildx, with what can be
// changed in it while they go on using it: what runs, with which resources and
// where. Selector, labels, volumes and the security context stay theirs.
func Adopted(is, wanted manifest.Workload) manifest.Workload {
	out := is.Copy()
	pod, own := &out.Template().Spec, wanted.Copy().Template().Spec
	pod.NodeSelector, pod.Tolerations = own.NodeSelector, own.Tolerations
	pod.SchedulerName = own.SchedulerName
	// The same field by its old name would win over an empty one.
	pod.ServiceAccountName, pod.DeprecatedServiceAccount = own.ServiceAccountName, own.ServiceAccountName
	if to, from := manifest.BuildkitdContainer(pod), manifest.BuildkitdContainer(&own); to != nil && from != nil {
		to.Image, to.Args, to.Resources = from.Image, from.Args, from.Resources
		// buildx writes the variables in any order.
		if !equality.Semantic.DeepEqual(byName(to.Env), byName(from.Env)) {
			to.Env = from.Env
		}
	}
	// The workload's annotations are those of the definition; its pods' hold
	// more, which is for pods that Slipway makes.
	owned := ownFields(is.Meta().ManagedFields)
	out.Meta().Annotations = mergeLabels(is.Meta().Annotations, wanted.Meta().Annotations, owned.at("f:metadata", "f:annotations"))
	out.Template().Annotations = mergeLabels(is.Template().Annotations, wanted.Meta().Annotations, owned.at("f:spec", "f:template", "f:metadata", "f:annotations"))
	return out
}

func byName(variables []corev1.EnvVar) []corev1.EnvVar {
	return slices.SortedFunc(slices.Values(variables), func(a, b corev1.EnvVar) int { return strings.Compare(a.Name, b.Name) })
}

// Unapplied are the fields of an adopted workload that the definition has
// otherwise and that stay as they are. bare is what Slipway would make of a node
// without any options: what differs by that alone was not asked for.
func Unapplied(is, adopted, wanted, bare manifest.Workload) ([]string, error) {
	differences, err := Workloads(adopted, Desired(is, wanted), true)
	if err != nil {
		return nil, err
	}
	habits, err := Workloads(adopted, Desired(is, bare), true)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, d := range differences {
		if !slices.Contains(habits, d) {
			paths = append(paths, d.path)
		}
	}
	return paths, nil
}

// WithoutOptions is a node without what can be asked for in a pod.
func WithoutOptions(node configmap.Node) configmap.Node {
	settings := *node.Kubernetes
	settings.PodTemplate, settings.Labels, settings.Annotations = nil, nil, nil
	settings.NodeSelector, settings.Tolerations, settings.Env = nil, nil, nil
	settings.Requests, settings.Limits, settings.RootVolumeMemory = nil, nil, nil
	settings.ServiceAccount, settings.SchedulerName, settings.QEMU = "", "", configmap.QEMU{}
	return configmap.Node{Name: node.Name, Kubernetes: &settings}
}
