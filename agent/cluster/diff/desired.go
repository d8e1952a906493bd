package diff

import (
	"encoding/json"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
)

// Desired returns a workload that Slipway made with all in it that the
// definition says now. What the definition does not speak of is gone from the
// pods; labels and annotations that others have added stay, as does what can
// never be changed.
func Desired(is, wanted manifest.Workload) manifest.Workload {
	out, from := is.Copy(), wanted.Copy()
	meta, template := *out.Meta(), *out.Template()
	replicas := keptReplicas(is, wanted.Replicas())
	if out.StatefulSet != nil {
		spec, before := from.StatefulSet.Spec, out.StatefulSet.Spec
		spec.Selector, spec.ServiceName, spec.PodManagementPolicy = before.Selector, before.ServiceName, before.PodManagementPolicy
		spec.VolumeClaimTemplates = before.VolumeClaimTemplates
		spec.Replicas = &replicas
		out.StatefulSet.Spec = spec
	} else {
		spec := from.Deployment.Spec
		spec.Selector = out.Deployment.Spec.Selector
		spec.Replicas = &replicas
		out.Deployment.Spec = spec
	}
	owned := ownFields(is.Meta().ManagedFields)
	mergeMetadata(out.Meta(), meta, from.Meta(), owned.at("f:metadata"))
	mergeMetadata(&out.Template().ObjectMeta, template.ObjectMeta, &from.Template().ObjectMeta, owned.at("f:spec", "f:template", "f:metadata"))
	return out
}

// mergeMetadata gives out the labels and annotations of wanted, and those that
// others have added to it before.
func mergeMetadata(out *metav1.ObjectMeta, before metav1.ObjectMeta, wanted *metav1.ObjectMeta, owned fieldSet) {
	out.Labels = mergeLabels(before.Labels, wanted.Labels, owned.at("f:labels"))
	out.Annotations = mergeLabels(before.Annotations, wanted.Annotations, owned.at("f:annotations"))
}

// mergeLabels is wanted with what is in before and was not set by Slipway.
func mergeLabels(before, wanted map[string]string, owned fieldSet) map[string]string {
	out := map[string]string{}
	for key, value := range before {
		if _, own := owned["f:"+key]; !own {
			out[key] = value
		}
	}
	maps.Copy(out, wanted)
	return out
}

// keptReplicas is how many pods a workload is to have: as many as it has where
// it sleeps or others scale it, else what the definition says.
func keptReplicas(is manifest.Workload, wanted int32) int32 {
	n := is.Replicas()
	if n == 0 {
		return n
	}
	for _, entry := range is.Meta().ManagedFields {
		if entry.Manager == kube.FieldManager || entry.Subresource != "scale" {
			continue
		}
		if _, scales := fieldsOf(entry).at("f:spec")["f:replicas"]; scales {
			return n
		}
	}
	return wanted
}

// fieldSet is a part of a FieldsV1: a field's children by "f:" and its name.
type fieldSet map[string]any

// at is the set below a path.
func (f fieldSet) at(path ...string) fieldSet {
	for _, name := range path {
		f, _ = f[name].(map[string]any)
	}
	return f
}

func fieldsOf(entry metav1.ManagedFieldsEntry) fieldSet {
	var f fieldSet
	if entry.FieldsV1 == nil || json.Unmarshal(entry.FieldsV1.GetRawBytes(), &f) != nil {
		// Who owns what is not known, so nothing counts as owned.
		return nil
	}
	return f
}

// ownFields are those that Slipway has set, by Create and Update.
func ownFields(entries []metav1.ManagedFieldsEntry) fieldSet {
	own := fieldSet{}
	for _, entry := range entries {
		if entry.Manager == kube.FieldManager && entry.Subresource == "" {
			mergeFields(own, fieldsOf(entry))
		}
	}
	return own
}

func mergeFields(into, from fieldSet) {
	for name, child := range from {
		below, _ := child.(map[string]any)
		known, ok := into[name].(map[string]any)
		if !ok {
			known = map[string]any{}
			into[name] = known
		}
		mergeFields(known, below)
	}
}
