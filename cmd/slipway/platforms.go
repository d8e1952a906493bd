package main

import (
	"errors"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// platformFlag is what platforms were given by: the flag, or docker's variable.
func platformFlag(in *invocation) string {
	if in.given["platform"] {
		return "--platform"
	}
	return "DOCKER_DEFAULT_PLATFORM"
}

// parsePlatforms parses the values of --platform. A mistake names the variable where
// they come from that.
func parsePlatforms(in *invocation, values []string) ([]ocispecs.Platform, error) {
	list, err := solve.ParsePlatforms(values)
	if mistake := (*fault.Usage)(nil); errors.As(err, &mistake) {
		mistake.Flag = platformFlag(in)
	}
	return list, err
}

// platformFlags say which platforms a builder may build for.
type platformFlags struct {
	StrictPlatforms bool `env:"SLIPWAY_STRICT_PLATFORMS" help:"Refuse a platform that no node claims, instead of building for it on a node that does not claim it (default: what the definition says)."`
}

// strict is the definition with what the flag says.
func (f platformFlags) strict(d configmap.Definition) configmap.Definition {
	if f.StrictPlatforms {
		return d.WithStrictPlatforms()
	}
	return d
}
