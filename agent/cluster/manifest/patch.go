package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/slipway-build/slipway/agent/cluster/kube"
)

// patchTemplate applies the definition's podTemplate as kubectl would: lists
// such as containers, volumes and tolerations merge by their keys.
func patchTemplate(template corev1.PodTemplateSpec, patch json.RawMessage, node string) (corev1.PodTemplateSpec, error) {
	if len(patch) == 0 {
		return template, nil
	}
	original, err := json.Marshal(template)
	if err != nil {
		return template, templateError(node, err)
	}
	merged, err := strategicpatch.StrategicMergePatch(original, patch, corev1.PodTemplateSpec{})
	if err != nil {
		return template, templateError(node, err)
	}
	// Strictly, because the merge keeps fields that it does not know.
	var out corev1.PodTemplateSpec
	if err := decodeStrict(merged, &out); err != nil {
		return template, templateError(node, err)
	}
	if !slices.ContainsFunc(out.Spec.Containers, func(c corev1.Container) bool { return c.Name == ContainerName }) {
		return template, templateError(node, fmt.Errorf("it removes the container %q, which is buildkitd", ContainerName))
	}
	for i := range out.Spec.Containers {
		if c := &out.Spec.Containers[i]; c.Name == ContainerName {
			replaceHandlers(c, template.Spec.Containers[0])
		}
	}
	if out.Labels[LabelApp] != template.Labels[LabelApp] {
		return template, templateError(node, fmt.Errorf("it changes the label %q, by which the pods are found", LabelApp))
	}
	return out, nil
}

// replaceHandlers takes the handlers of before's probes out of merged where the
// patch has brought another kind of handler: the merge keeps both, and a probe
// has one.
func replaceHandlers(merged *corev1.Container, before corev1.Container) {
	for _, probe := range []struct{ merged, before *corev1.Probe }{
		{merged.StartupProbe, before.StartupProbe},
		{merged.ReadinessProbe, before.ReadinessProbe},
		{merged.LivenessProbe, before.LivenessProbe},
	} {
		if probe.merged == nil || probe.before == nil {
			continue
		}
		h := &probe.merged.ProbeHandler
		given := *h
		if probe.before.Exec != nil {
			given.Exec = nil
		}
		if probe.before.TCPSocket != nil {
			given.TCPSocket = nil
		}
		if given != (corev1.ProbeHandler{}) {
			*h = given
		}
	}
}

func decodeStrict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func templateError(node string, err error) error {
	return &kube.Error{
		Reason:  kube.ReasonDefinition,
		Message: fmt.Sprintf("node %s: podTemplate cannot be applied: %v", node, err),
		Advice:  []string{"podTemplate is a strategic-merge patch on a pod template, with metadata and spec at its top; try it with kubectl patch --dry-run=client"},
		Cause:   err,
	}
}
