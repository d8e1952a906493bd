package solve

import (
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
)

// Excerpt is the part of the Dockerfile that an error is about, with line
// numbers and the lines marked, as docker prints it; empty when the error is
// about no line.
func Excerpt(err error) string {
	var out strings.Builder
	for _, source := range errdefs.Sources(err) {
		if printErr := source.Print(&out); printErr != nil {
			return "" // a strings.Builder does not fail
		}
	}
	return out.String()
}
