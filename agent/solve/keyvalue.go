package solve

import (
	"strings"

	"github.com/slipway-build/slipway/internal/fault"
)

// ParseBuildArgs parses the values of --build-arg. KEY=VALUE sets a value, a
// bare KEY takes that of the environment variable and is left out when there
// is none. The error is a *fault.Usage.
func ParseBuildArgs(values []string, lookup func(string) (string, bool)) (map[string]string, error) {
	args := make(map[string]string, len(values))
	for _, pair := range values {
		key, value, ok := strings.Cut(pair, "=")
		if key == "" {
			// The value is left out: it may be a secret in the wrong place.
			return nil, &fault.Usage{Flag: "--build-arg", Problem: "the name before = is empty"}
		}
		if ok {
			args[key] = value
		} else if value, set := lookup(key); set {
			args[key] = value
		}
	}
	return args, nil
}

// ParseLabels parses the values of --label, KEY=VALUE; a bare KEY has an
// empty value. The error is a *fault.Usage.
func ParseLabels(values []string) (map[string]string, error) {
	labels := make(map[string]string, len(values))
	for _, pair := range values {
		key, value, _ := strings.Cut(pair, "=")
		if key == "" {
			return nil, &fault.Usage{Flag: "--label", Value: pair, Problem: "the name before = is empty"}
		}
		labels[key] = value
	}
	return labels, nil
}
