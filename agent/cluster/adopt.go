package cluster

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// adopt returns a workload that others made, such as buildx, with what can be
// changed in it while they go on using it: what runs, with which resources and
// where. Selector, labels, volumes and the security context stay theirs.
func adopt(is, wanted manifest.Workload) manifest.Workload {
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
	out.Meta().Annotations = beside(is.Meta().Annotations, wanted.Meta().Annotations, owned.at("f:metadata", "f:annotations"))
	out.Template().Annotations = beside(is.Template().Annotations, wanted.Meta().Annotations, owned.at("f:spec", "f:template", "f:metadata", "f:annotations"))
	return out
}

func byName(variables []corev1.EnvVar) []corev1.EnvVar {
	return slices.SortedFunc(slices.Values(variables), func(a, b corev1.EnvVar) int { return strings.Compare(a.Name, b.Name) })
}

// adoptable refuses what would only half fit: the image and the arguments of a
// rootless buildkitd do not run in a privileged container of others, nor the
// other way round.
func (w *workload) adoptable(is, wanted manifest.Workload) error {
	privileged := func(h manifest.Workload) bool {
		c := manifest.BuildkitdContainer(&h.Template().Spec)
		return c != nil && c.SecurityContext != nil && c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged
	}
	if privileged(is) == privileged(wanted) {
		return nil
	}
	words := map[bool]string{true: "privileged", false: "not privileged"}
	return w.unchangeable(
		fmt.Sprintf("it was made by others and is %s, and the definition asks for one that is %s", words[privileged(is)], words[!privileged(is)]),
		"have it removed by whoever made it (docker buildx rm), and slipway up makes it anew",
	)
}

// leftAlone are the fields of an adopted workload that the definition has
// otherwise and that stay as they are. bare is what Slipway would make of a node
// without any options: what differs by that alone is nobody's wish.
func leftAlone(is, adopted, wanted, bare manifest.Workload) ([]string, error) {
	differences, err := compareWorkloads(adopted, bring(is, wanted), true)
	if err != nil {
		return nil, err
	}
	habits, err := compareWorkloads(adopted, bring(is, bare), true)
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

// bare is a node without what can be asked for in a pod.
func bare(node configmap.Node) configmap.Node {
	settings := *node.Kubernetes
	settings.PodTemplate, settings.Labels, settings.Annotations = nil, nil, nil
	settings.NodeSelector, settings.Tolerations, settings.Env = nil, nil, nil
	settings.Requests, settings.Limits, settings.RootVolumeMemory = nil, nil, nil
	settings.ServiceAccount, settings.SchedulerName, settings.QEMU = "", "", configmap.QEMU{}
	return configmap.Node{Name: node.Name, Kubernetes: &settings}
}
