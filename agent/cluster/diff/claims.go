package diff

import (
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/slipway-build/slipway/agent/cluster/manifest"
)

// Claims lists the fields in which the claim templates of a StatefulSet
// differ from those that are wanted; what only the present ones have is not
// compared.
func Claims(is, wanted manifest.Workload) ([]Difference, error) {
	claims := comparison{wantedOnly: true}
	for _, claim := range wanted.StatefulSet.Spec.VolumeClaimTemplates {
		path := "spec.volumeClaimTemplates[" + claim.Name + "]"
		known := is.StatefulSet.Spec.VolumeClaimTemplates
		at := slices.IndexFunc(known, func(c corev1.PersistentVolumeClaim) bool { return c.Name == claim.Name })
		if at < 0 {
			claims.add(path, OnlyInDefinition)
			continue
		}
		before, err := specTree(known[at])
		if err != nil {
			return nil, err
		}
		after, err := specTree(claim)
		if err != nil {
			return nil, err
		}
		claims.fields(path+".spec", before, after)
	}
	return claims.found, nil
}

func specTree(claim corev1.PersistentVolumeClaim) (map[string]any, error) {
	text, err := json.Marshal(claim.Spec)
	if err != nil {
		return nil, fmt.Errorf("compare the claims: %w", err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("compare the claims: %w", err)
	}
	return tree, nil
}
