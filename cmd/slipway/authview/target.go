package authview

import (
	"strconv"
	"strings"

	"github.com/distribution/reference"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry"
)

// Target is what is asked about. Named says that its repository is one.
type Target struct {
	registry.Request
	Named bool
}

// ParseTarget parses an image, a repository or the host of a registry.
func ParseTarget(value string) (Target, error) {
	if isRegistryHost(value) {
		return Target{Request: registry.Request{Host: value, Push: true}}, nil
	}
	named, err := reference.ParseNormalizedNamed(value)
	if err != nil {
		return Target{}, &fault.Usage{Flag: "image", Value: value, Problem: "is neither an image nor a registry: " + err.Error()}
	}
	return Target{Request: registry.Request{Host: reference.Domain(named), Repository: reference.Path(named), Push: true}, Named: true}, nil
}

// isRegistryHost tells registry.example, registry.example:5000 and
// localhost:5000 from app and app:1.
func isRegistryHost(value string) bool {
	if strings.ContainsAny(value, "/@") {
		return false
	}
	name, port := registry.CutPort(value)
	if _, notPort := strconv.ParseUint(port, 10, 16); notPort != nil && value != name {
		return false
	}
	return strings.ContainsAny(name, ".:") || name == "localhost"
}
