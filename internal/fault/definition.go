package fault

import "errors"

// Part is a part of a builder's definition, by what it comes to in the cluster.
type Part string

const (
	// PartFiles are buildkitd.toml and the files beside it, with registries'
	// mirrors and certificate authorities, and the builder's certificates.
	PartFiles Part = "files"
	// PartImage is the image of buildkitd.
	PartImage Part = "image"
	// PartResources are requests, limits and volumes.
	PartResources Part = "resources"
	// PartPod is all of the pod.
	PartPod Part = "pod"
)

// DefinitionParts returns the parts of the builder's definition in which err can
// be mended, as an error says that has the method DefinitionParts; nil if it
// cannot. Where such a part was changed and is not yet in the cluster, that comes
// first.
func DefinitionParts(err error) []Part {
	var known interface{ DefinitionParts() []Part }
	if !errors.As(err, &known) {
		return nil
	}
	return known.DefinitionParts()
}
