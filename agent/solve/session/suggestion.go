package session

import (
	"path"
	"regexp"

	"github.com/slipway-build/slipway/registry"
)

// suggested is what BuildKit adds to its message about an image where a stage of the
// Dockerfile or a well-known image is called alike
// (https://github.com/moby/buildkit/blob/v0.34.2/util/suggest/error.go).
var suggested = regexp.MustCompile(` \(did you mean ([^()]+)\?\)$`)

// CutSuggestion takes the suggestion from the end of a message of BuildKit's about an
// image. Without one, meant is empty.
func CutSuggestion(text string) (rest, meant string) {
	found := suggested.FindStringSubmatchIndex(text)
	if found == nil {
		return text, ""
	}
	return text[:found[0]], text[found[2]:found[3]]
}

// meantHints are about the suggestion at the end of a message. It counts where the
// image may not exist, and not where the registry could not be asked. BuildKit also
// takes a tag for a typing error: alpine for alpine:3.
func (r refusal) meantHints(text string) []string {
	_, meant := CutSuggestion(text)
	asked := r.reason == registry.NoRight || r.reason == registry.NotAccepted
	if meant == "" || r.target.Push || !asked || meant == path.Base(r.target.Repository) {
		return nil
	}
	return []string{"did you mean " + meant + "? It is a stage of the Dockerfile, or an image that is known well"}
}
