package configmap

import (
	"errors"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// CheckOwner says what is wrong with the name of an owner, nil if nothing is.
// It becomes the value of a label, and nobody is no owner.
func CheckOwner(name string) error {
	if name == "" {
		return errors.New("must not be empty")
	}
	if problems := validation.IsValidLabelValue(name); len(problems) > 0 {
		return errors.New("cannot be the value of a label: " + strings.Join(problems, "; "))
	}
	return nil
}

// readOwner reads whom a workload belongs to.
func readOwner(value any, r report) (string, bool) {
	var owner string
	if !readString(&owner, value, r) {
		return "", false
	}
	if err := CheckOwner(owner); err != nil {
		r.hinting("leave the key out where nobody is to clean up").bad("%v", err)
		return "", false
	}
	return owner, true
}
