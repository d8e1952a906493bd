package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/sethvargo/go-envconfig"

	"github.com/slipway-build/slipway/agent/ci"
)

// environment are the variables that other tools define. SLIPWAY_* variables
// belong to the flags and are not here.
type environment struct {
	// BuildxConfig is buildx's state directory.
	BuildxConfig string `env:"BUILDX_CONFIG"`
	// DockerConfig is the directory of docker's config.json.
	DockerConfig string `env:"DOCKER_CONFIG"`
	// BuildKitHost is the address of a buildkitd, for nodes of the driver
	// remote that are created without one.
	BuildKitHost string `env:"BUILDKIT_HOST"`
	// MetadataProvenance says which provenance goes into the metadata file,
	// MetadataWarnings adds the linter's warnings to it.
	MetadataProvenance string `env:"BUILDX_METADATA_PROVENANCE"`
	MetadataWarnings   bool   `env:"BUILDX_METADATA_WARNINGS"`
	// NoDefaultLoad ignores driver-opt default-load.
	NoDefaultLoad bool   `env:"BUILDX_NO_DEFAULT_LOAD"`
	Home          string `env:"HOME"`
	// CacheHome is the directory for caches of the desktop's convention.
	CacheHome string `env:"XDG_CACHE_HOME"`

	Credentials credentialVariables
	CI          ci.Variables

	// lookup reads the variables that are no fields: those that a flag names,
	// and those that another package reads by name. Nothing else below main
	// reads the environment of the process.
	lookup func(name string) (string, bool)
}

// credentialVariables are those of docker and podman by which registry
// credentials are found. They are all text: none of them may end a command by
// its form.
type credentialVariables struct {
	DockerAuthConfig string `env:"DOCKER_AUTH_CONFIG"`
	// RegistryAuthFile is podman's; the directories are where it looks else.
	RegistryAuthFile string `env:"REGISTRY_AUTH_FILE"`
	RuntimeDir       string `env:"XDG_RUNTIME_DIR"`
	ConfigDir        string `env:"XDG_CONFIG_HOME"`
}

func loadEnvironment(ctx context.Context) (environment, error) {
	return lookupEnvironment(ctx, envconfig.OsLookuper())
}

func lookupEnvironment(ctx context.Context, lookuper envconfig.Lookuper) (environment, error) {
	env := environment{lookup: lookuper.Lookup}
	if err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: &env, Lookuper: lookuper}); err != nil {
		return env, fmt.Errorf("read the environment: %w", err)
	}
	env.CI.CircleCI.Home = env.Home
	return env, nil
}

// variable is the value of a variable that is no field; empty when it is not
// set.
func (e environment) variable(name string) string {
	value, _ := e.lookup(name)
	return value
}

// dockerDir is the directory of docker's config.json.
func (e environment) dockerDir() string {
	if e.DockerConfig != "" {
		return e.DockerConfig
	}
	return filepath.Join(e.Home, ".docker")
}

// buildxDir is buildx's state directory.
func (e environment) buildxDir() string {
	if e.BuildxConfig != "" {
		return e.BuildxConfig
	}
	return filepath.Join(e.dockerDir(), "buildx")
}

// configDir is the directory for configuration of the desktop's convention.
func (e environment) configDir() string {
	if e.Credentials.ConfigDir != "" {
		return e.Credentials.ConfigDir
	}
	return filepath.Join(e.Home, ".config")
}

// cacheDir is the directory for what Slipway may lose; empty when there is no
// home for it.
func (e environment) cacheDir() string {
	switch {
	case filepath.IsAbs(e.CacheHome):
		return filepath.Join(e.CacheHome, "slipway")
	case filepath.IsAbs(e.Home):
		return filepath.Join(e.Home, ".cache", "slipway")
	}
	return ""
}
