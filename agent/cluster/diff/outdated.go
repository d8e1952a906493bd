package diff

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// OutdatedPods are those pods of a workload that are replaced when its template
// changes. The hash does not tell: after somebody's change by hand is undone,
// pods from before it, which stay, pods of it and new ones have the same. So
// each is looked at in the fields in which the templates differ; all else in it
// may be admission's.
func OutdatedPods(pods []*corev1.Pod, was, is corev1.PodTemplateSpec) (map[types.UID]bool, error) {
	changed, err := compareTemplates(was, is)
	if err != nil {
		return nil, err
	}
	outdated := map[types.UID]bool{}
	for _, p := range pods {
		differ, err := compareTemplates(corev1.PodTemplateSpec{ObjectMeta: p.ObjectMeta, Spec: p.Spec}, is)
		if err != nil {
			return nil, err
		}
		outdated[p.UID] = slices.ContainsFunc(differ, func(d Difference) bool {
			return slices.ContainsFunc(changed, func(c Difference) bool { return c.path == d.path })
		})
	}
	return outdated, nil
}
