package cluster

import (
	"maps"

	"github.com/slipway-build/slipway/configmap"
)

// labelOwner names the set of definitions that an object was made for.
const labelOwner = "slipway.build/owner"

// ownedBy returns the labels of the objects that are made for node. They are
// not those of its pods: a new owner is no reason to start pods again.
func ownedBy(node configmap.Node, labels map[string]string) map[string]string {
	owner := node.Kubernetes.Owner
	if owner == "" {
		return labels
	}
	labels = maps.Clone(labels)
	labels[labelOwner] = owner
	return labels
}
