package image

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
)

// linked lists the shared libraries that a program of this machine loads.
func linked(ctx context.Context, program string) ([]string, error) {
	out, err := run.Output(ctx, "ldd", program)
	if err != nil {
		return nil, fmt.Errorf("libraries of %s: %w", program, err)
	}
	return parseLinked(out), nil
}

// parseLinked reads ldd's lines: "name => /path (address)" for a library and
// "/path (address)" for the loader; what the kernel maps has no path.
func parseLinked(text string) []string {
	var paths []string
	for line := range strings.Lines(text) {
		for _, field := range strings.Fields(line) {
			if filepath.IsAbs(field) {
				paths = append(paths, field)
			}
		}
	}
	return paths
}
