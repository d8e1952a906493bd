package session

import (
	"slices"
	"strings"
	"testing"
)

// A stage that is misspelt is asked of Docker Hub, which refuses it.
func TestMeantHints(t *testing.T) {
	const hint = "did you mean build? It is a stage of the Dockerfile, or an image that is known well"
	const denied = "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"a stage":          {"biuld: failed to resolve source metadata for docker.io/library/biuld:latest: " + denied + " (did you mean build?)", []string{hint}},
		"no suggestion":    {"biuld: failed to resolve source metadata for docker.io/library/biuld:latest: " + denied, nil},
		"the image itself": {"alpine:3: failed to resolve source metadata for docker.io/library/alpine:3: " + denied + " (did you mean alpine?)", nil},
		"no answer":        {`biuld: failed to resolve source metadata for docker.io/library/biuld:latest: failed to do request: Head "https://registry-1.docker.io/v2/library/biuld/manifests/latest": dial tcp: lookup registry-1.docker.io: no such host (did you mean build?)`, nil},
	} {
		r, ok := parseRefusal(tt.text)
		if got := r.meantHints(tt.text); !ok || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		rest, meant := CutSuggestion(tt.text)
		if strings.Contains(rest, "did you mean") || (meant != "") != strings.Contains(tt.text, "did you mean") {
			t.Errorf("%s: cut into %q and %q", name, rest, meant)
		}
	}
}
