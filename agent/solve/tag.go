package solve

import (
	"github.com/distribution/reference"

	"github.com/slipway-build/slipway/internal/fault"
)

// ParseTag checks an image reference of --tag and returns it in full:
// docker.io/library/app:latest for app. Registries, BuildKit and the merging
// of several nodes' images then mean the same by it. The error is a
// *fault.Usage.
func ParseTag(value string) (string, error) {
	fail := func(problem, hint string) (string, error) {
		return "", &fault.Usage{Flag: "--tag", Value: value, Problem: problem, Hint: hint}
	}
	if value == "" {
		return fail("is empty", "")
	}
	named, err := reference.ParseNormalizedNamed(value)
	if err != nil {
		return fail(err.Error(), "the form is [HOST/]NAME[:TAG], in lower case but for the tag")
	}
	if _, ok := named.(reference.Digested); ok {
		return fail("has a digest, which only the result of the build can tell", "leave out @ and what follows")
	}
	return reference.TagNameOnly(named).String(), nil
}
