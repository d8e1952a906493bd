package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/sethvargo/go-envconfig"
)

// environment are the variables that other tools define. SLIPWAY_* variables
// belong to the flags and are not here.
type environment struct {
	// BuildxConfig is buildx's state directory.
	BuildxConfig string `env:"BUILDX_CONFIG"`
	// DockerConfig is the directory of docker's config.json.
	DockerConfig string `env:"DOCKER_CONFIG"`
	// DockerHost chooses among the proxies of docker's config.json.
	DockerHost string `env:"DOCKER_HOST"`
	// MetadataWarnings adds the linter's warnings to the metadata file.
	MetadataWarnings bool `env:"BUILDX_METADATA_WARNINGS"`
	// NoDefaultLoad ignores driver-opt default-load.
	NoDefaultLoad bool   `env:"BUILDX_NO_DEFAULT_LOAD"`
	Home          string `env:"HOME"`
}

func loadEnvironment(ctx context.Context) (environment, error) {
	var env environment
	if err := envconfig.Process(ctx, &env); err != nil {
		return env, fmt.Errorf("read the environment: %w", err)
	}
	return env, nil
}

// dockerDir is the directory of docker's config.json.
func (e environment) dockerDir() string {
	if e.DockerConfig != "" {
		return e.DockerConfig
	}
	return filepath.Join(e.Home, ".docker")
}
