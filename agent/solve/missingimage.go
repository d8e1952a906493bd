package solve

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/slipway-build/slipway/agent/solve/session"
)

// MissingImageError is an image that an instruction names and that its registry does
// not have. Its message is BuildKit's, for scripts that look for that.
type MissingImageError struct {
	// Ref is the whole name of the image, "docker.io/library/alpine:3".
	Ref string

	meant string
	err   error
}

// Error implements error.
func (e *MissingImageError) Error() string { return e.err.Error() }

func (e *MissingImageError) reason() string { return "the registry has no " + e.Ref }

// Unwrap returns the error of the solve.
func (e *MissingImageError) Unwrap() error { return e.err }

// Hints says what to do about the error.
func (e *MissingImageError) Hints() []string {
	var hints []string
	if e.meant != "" {
		hints = append(hints, fmt.Sprintf("did you mean %s?", e.meant))
	}
	if strings.HasPrefix(e.Ref, "docker.io/library/") {
		hints = append(hints, "it is no stage of the Dockerfile, and a name without a host is one of Docker Hub: write the registry in front, REGISTRY/REPOSITORY:TAG")
	}
	return append(hints, "look at the spelling of repository and tag, and whether the tag has been pushed or removed: slipway index inspect "+e.Ref)
}

// missingImage is BuildKit's message about an image that its registry does not have.
var missingImage = regexp.MustCompile(`failed to resolve source metadata for (\S+): (?:\S+: )?not found$`)

// explainImage explains an instruction whose image is missing.
func explainImage(err error) error {
	text, meant := session.CutSuggestion(err.Error())
	missing := missingImage.FindStringSubmatch(text)
	if missing == nil || failedInstruction(err) == nil {
		return err
	}
	return &MissingImageError{Ref: missing[1], meant: meant, err: err}
}
