package solve

import (
	"strings"

	"github.com/distribution/reference"

	"github.com/slipway-build/slipway/internal/fault"
)

// BuildContext is a parsed --build-context: further files or an image under a
// name that the Dockerfile refers to.
type BuildContext struct {
	// Name as BuildKit spells it: familiar, without ":latest".
	Name string
	// Value is a directory, a git or http(s) URL, docker-image://REF or
	// oci-layout://DIR[:TAG][@DIGEST].
	Value string
}

// ParseBuildContext parses NAME=VALUE. The error is a *fault.Usage.
func ParseBuildContext(value string) (BuildContext, error) {
	fail := func(problem string) (BuildContext, error) {
		return BuildContext{}, &fault.Usage{
			Flag: "--build-context", Value: value, Problem: problem,
			Hint: "the form is NAME=DIR, NAME=URL, NAME=docker-image://REF or NAME=oci-layout://DIR[:TAG][@DIGEST]",
		}
	}
	name, target, ok := strings.Cut(value, "=")
	if !ok {
		return fail("is not NAME=VALUE")
	}
	if target == "" {
		return fail("the value after = is empty")
	}
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return fail("the name is not valid: " + err.Error())
	}
	return BuildContext{
		Name:  strings.TrimSuffix(reference.FamiliarString(named), ":latest"),
		Value: target,
	}, nil
}
