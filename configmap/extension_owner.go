package configmap

import "k8s.io/apimachinery/pkg/util/validation"

// readOwner reads who a workload belongs to. It becomes the value of a label.
func readOwner(e *extension, value any, r report) {
	var owner string
	if !readString(&owner, value, r) {
		return
	}
	if owner == "" {
		r.hinting("leave the key out where nobody is to clean up").bad("must not be empty")
		return
	}
	r.badAll("cannot be the value of a label", validation.IsValidLabelValue(owner))
	e.owner = &owner
}
