package solve

import (
	"fmt"
	"strings"

	"github.com/docker/go-units"

	"github.com/slipway-build/slipway/agent/solve/contextfs"
)

// largeContext is above how many bytes of one transfer a context is told to be
// large. A checkout of sources has less; an upload of that size is worth a line.
const largeContext = 100_000_000

// account warns when much of a context goes to a builder: nil for a directory that
// is none.
func (r Request) account(mount string) *contextfs.Account {
	if r.Warn == nil || mount == mountDockerfile {
		return nil
	}
	what := "context " + r.Context
	if mount != mountContext {
		what = "--build-context " + mount
	}
	return &contextfs.Account{Limit: largeContext, Tell: func(sent contextfs.Sent) { r.Warn(largeContextWarning(what, sent)) }}
}

func largeContextWarning(what string, sent contextfs.Sent) string {
	var largest []string
	for _, entry := range sent.Largest {
		largest = append(largest, fmt.Sprintf("%s %s", entry.Path, units.HumanSize(float64(entry.Bytes))))
	}
	cure := "leave out with .dockerignore what the build does not need"
	if len(sent.Ignorable) > 0 {
		cure = "if the build does not need them, add to .dockerignore: " + strings.Join(sent.Ignorable, ", ")
	}
	return fmt.Sprintf("%s: %s in %d files went to the builder, most of it %s; %s", what, units.HumanSize(float64(sent.Bytes)), sent.Files, strings.Join(largest, ", "), cure)
}
