package solve

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
)

// Excerpt is the part of the Dockerfile that an error is about, with line
// numbers and the lines marked, as docker prints it; empty when the error is
// about no line.
func Excerpt(err error) string {
	var out strings.Builder
	for _, source := range errdefs.Sources(err) {
		// BuildKit's printer relies on both ends of a range.
		source.Ranges = slices.DeleteFunc(source.Ranges, func(r *pb.Range) bool { return r.Start == nil || r.End == nil })
		if printErr := source.Print(&out); printErr != nil {
			return "" // a strings.Builder does not fail
		}
	}
	return out.String()
}
