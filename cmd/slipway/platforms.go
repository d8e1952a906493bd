package main

import "github.com/slipway-build/slipway/configmap"

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
