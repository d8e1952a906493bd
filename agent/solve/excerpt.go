package solve

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// Excerpt is the part of the Dockerfile that an error is about, with line
// numbers and the lines marked, as docker prints it, without the credentials in its
// URLs; empty when the error is about no line.
func Excerpt(err error) string {
	var out strings.Builder
	for _, source := range errdefs.Sources(err) {
		// BuildKit's printer relies on both ends of a range.
		source.Ranges = slices.DeleteFunc(source.Ranges, func(r *pb.Range) bool { return r.Start == nil || r.End == nil })
		if printErr := source.Print(&out); printErr != nil {
			return "" // a strings.Builder does not fail
		}
	}
	return sanitize.RedactURLs(carriageReturns.Replace(out.String()))
}

// carriageReturns keeps a line of a Dockerfile one line. What is printed ends
// lines at a carriage return, and the rest of such a line would look like one of
// Slipway's.
var carriageReturns = strings.NewReplacer("\r\n", "\n", "\r", " ")
