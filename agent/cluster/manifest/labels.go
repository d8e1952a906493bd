package manifest

import (
	"maps"

	"github.com/slipway-build/slipway/configmap"
)

// What buildx and Slipway find each other's builders by. buildx looks for the
// workload by name and for pods by the labels it would give them itself, so
// these must not change.
const (
	LabelApp           = "app"
	LabelManagedBy     = "app.kubernetes.io/managed-by"
	ManagedBy          = "slipway"
	AnnotationPlatform = "buildx.docker.com/platform"
	AnnotationSpecHash = "slipway.build/spec-hash"
	ContainerName      = "buildkitd"
	// QEMUContainerName is the init container that registers emulators.
	QEMUContainerName = "qemu"
)

// LabelOwner names the set of definitions that an object was made for.
const LabelOwner = "slipway.build/owner"

// ownedBy returns the labels of the objects that are made for node. They are
// not those of its pods: a new owner is no reason to start pods again.
func ownedBy(node configmap.Node, labels map[string]string) map[string]string {
	owner := node.Kubernetes.Owner
	if owner == "" {
		return labels
	}
	labels = maps.Clone(labels)
	labels[LabelOwner] = owner
	return labels
}
