// Package tagrule makes the tags, labels and annotations of an image out of rules
// and of what a pipeline runs for: a branch, a tag, a pull request, a schedule. The
// rules are those of docker/metadata-action, and so is what comes of them; where
// it differs, docs/tags.md says why. testdata/README.md says how the answers of
// the action are recorded that the tests compare with.
//
// It reads no environment and no clock: package ci makes the Context.
package tagrule
