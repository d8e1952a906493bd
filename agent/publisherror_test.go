package agent

import (
	"errors"
	"fmt"
	"testing"

	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/internal/fault"
)

// TestPublishError tests the classes of failures after the solves, which decide
// the exit code.
func TestPublishError(t *testing.T) {
	mistake := &fault.Usage{Flag: "--output", Problem: "is wrong"}
	name := &fault.Usage{Flag: "repository", Value: "A", Problem: "is not the name of a repository"}
	for _, tt := range []struct {
		name string
		err  error
		want fault.Class
	}{
		{"a mistake", fmt.Errorf("output: %w", mistake), fault.ClassUsage},
		{"the name of a repository", fmt.Errorf("output: %w", name), fault.ClassUsage},
		{"a registry", &output.RegistryError{Err: errors.New("denied")}, fault.ClassRegistry},
		{"a name that the registry's client refuses", &output.RegistryError{Err: fmt.Errorf("tag A:1: %w", name)}, fault.ClassRegistry},
		{"an output that cannot be put in place", errors.New("is a directory"), fault.ClassUsage},
	} {
		if got := fault.ClassOf(publishError(tt.err)); got != tt.want {
			t.Errorf("%s: class %d, want %d", tt.name, got, tt.want)
		}
	}
}
