package progress

import (
	"fmt"
	"io"
	"strings"

	"github.com/moby/buildkit/client"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// Warning is one finding of the Dockerfile linter.
type Warning struct {
	// Message is the finding in one line: "FromAsCasing: 'as' and 'FROM' …".
	Message string
	// URL explains the rule; may be empty.
	URL string
	// File and Line say where; Line is 0 when unknown.
	File string
	Line int
}

// distinct drops what several nodes report alike and keeps the order.
func distinct(in []client.VertexWarning) []Warning {
	seen := make(map[Warning]bool, len(in))
	var out []Warning
	for _, w := range in {
		one := Warning{Message: string(w.Short), URL: w.URL}
		if w.SourceInfo != nil {
			one.File = w.SourceInfo.Filename
		}
		if len(w.Range) > 0 && w.Range[0].Start != nil {
			one.Line = int(w.Range[0].Start.Line)
		}
		if !seen[one] {
			seen[one] = true
			out = append(out, one)
		}
	}
	return out
}

// printWarnings prints what docker prints after a build, with the file's name
// beside the line. A failing write is not worth failing a build that is over.
func printWarnings(out io.Writer, warnings []Warning) {
	if len(warnings) == 0 {
		return
	}
	var b strings.Builder
	noun := "warnings"
	if len(warnings) == 1 {
		noun = "warning"
	}
	fmt.Fprintf(&b, "\n %d %s found:\n", len(warnings), noun)
	for _, w := range warnings {
		sanitize.Fprintf(&b, " - %s", w.Message)
		switch {
		case w.File != "" && w.Line > 0:
			sanitize.Fprintf(&b, " (%s:%d)", w.File, w.Line)
		case w.Line > 0:
			sanitize.Fprintf(&b, " (line %d)", w.Line)
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	_, _ = io.WriteString(out, b.String())
}
