package cluster

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/slipway-build/slipway/agent/cluster/diff"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
)

// immutableError is the refusal of what a workload cannot become.
func (w *workload) immutableError(why string, hints ...string) error {
	return &kube.Error{
		Reason:  kube.ReasonDefinition,
		Message: fmt.Sprintf("%s in namespace %s cannot become what the definition of node %s says: %s", w, w.namespace, w.node.Name, why),
		Advice:  append(hints, "or put the definition back"),
	}
}

// checkOtherKind fails where a workload of the other kind has the name: the two
// would fight for one set of pods. A role that may not look there is no
// obstacle.
func (w *workload) checkOtherKind(ctx context.Context) error {
	wanted, other := manifest.Kind(w.node), manifest.KindStatefulSet
	if wanted == manifest.KindStatefulSet {
		other = manifest.KindDeployment
	}
	_, err := w.load(ctx, other)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil
	case err != nil:
		return err
	}
	return w.immutableError(
		fmt.Sprintf("there is a %s of that name, and with these driver-opts it is a %s", other, wanted),
		fmt.Sprintf("give the node another name, or remove what there is when no build runs there, and slipway up makes it anew: kubectl delete --namespace %s %s %s", w.namespace, strings.ToLower(other), w.name),
	)
}

// checkImmutable fails where the definition wants something of a workload of
// Slipway's own that Kubernetes never changes.
func (w *workload) checkImmutable(is, wanted manifest.Workload) error {
	for key, value := range is.Selector().MatchLabels {
		if wanted.Template().Labels[key] != value {
			return w.immutableError(
				fmt.Sprintf("its selector wants the label %s=%s on pods, and a selector is never changed", key, value),
				fmt.Sprintf("keep the label, or remove what there is when no build runs there, and slipway up makes it anew: kubectl delete --namespace %s %s", w.namespace, w),
			)
		}
	}
	if is.StatefulSet == nil {
		return nil
	}
	claims, err := diff.Claims(is, wanted)
	if err != nil || len(claims) == 0 {
		return err
	}
	return w.immutableError(
		strings.Join(diff.Lines(claims, nil), "; "),
		fmt.Sprintf("remove the StatefulSet without its pods, which go on, and slipway up makes it anew around them; claims that exist keep their size: kubectl delete --namespace %s --cascade=orphan %s", w.namespace, w),
	)
}

// checkAdoptable refuses what would only half fit: the image and the arguments of a
// rootless buildkitd do not run in a privileged container of others, nor the
// other way round.
func (w *workload) checkAdoptable(is, wanted manifest.Workload) error {
	privileged := func(h manifest.Workload) bool {
		c := manifest.BuildkitdContainer(&h.Template().Spec)
		return c != nil && c.SecurityContext != nil && c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged
	}
	if privileged(is) == privileged(wanted) {
		return nil
	}
	words := map[bool]string{true: "privileged", false: "not privileged"}
	return w.immutableError(
		fmt.Sprintf("it was made by others and is %s, and the definition asks for one that is %s", words[privileged(is)], words[!privileged(is)]),
		"have it removed by whoever made it (docker buildx rm), and slipway up makes it anew",
	)
}
