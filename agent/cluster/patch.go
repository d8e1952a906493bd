package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
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
	if !slices.ContainsFunc(out.Spec.Containers, func(c corev1.Container) bool { return c.Name == containerName }) {
		return template, templateError(node, fmt.Errorf("it removes the container %q, which is buildkitd", containerName))
	}
	if out.Labels[labelApp] != template.Labels[labelApp] {
		return template, templateError(node, fmt.Errorf("it changes the label %q, by which the pods are found", labelApp))
	}
	return out, nil
}

func decodeStrict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func templateError(node string, err error) error {
	return &Error{
		Reason:  ReasonDefinition,
		message: fmt.Sprintf("node %s: podTemplate cannot be applied: %v", node, err),
		hints:   []string{"podTemplate is a strategic-merge patch on a pod template, with metadata and spec at its top; try it with kubectl patch --dry-run=client"},
		cause:   err,
	}
}
