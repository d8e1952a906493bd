package registry

import (
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-build/slipway/internal/fault"
)

// SplitReference splits a normalized reference into its repository and its
// digest, else its tag; one to an image in an OCI layout into the directory,
// with its scheme, and the same. The error is a *fault.Usage.
func SplitReference(ref string) (repository, what string, err error) {
	if IsLayout(ref) {
		repository, tag, d, err := splitLayout(ref)
		if d != "" {
			return repository, d.String(), err
		}
		return repository, tag, err
	}
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", "", &fault.Usage{Flag: "reference", Value: ref, Problem: "is not an image reference: " + err.Error()}
	}
	named = reference.TagNameOnly(named)
	if digested, ok := named.(reference.Digested); ok {
		return named.Name(), digested.Digest().String(), nil
	}
	tagged, ok := named.(reference.Tagged)
	if !ok {
		return "", "", &fault.Usage{Flag: "reference", Value: ref, Problem: "has no tag"}
	}
	return named.Name(), tagged.Tag(), nil
}

// JoinReference is a repository with a tag or digest.
func JoinReference(repository, what string) string {
	if _, err := digest.Parse(what); err == nil {
		return repository + "@" + what
	}
	return repository + ":" + what
}
