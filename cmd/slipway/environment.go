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
	Job         jobVariables

	// lookup reads the variables that are no fields: those that a flag names,
	// and those that another package reads by name. Nothing else below main
	// reads the environment of the process.
	lookup func(name string) (string, bool)
}

// jobVariables are those in which CI systems tell a job's repository and where
// it was cloned to.
type jobVariables struct {
	GitHubServerURL  string `env:"GITHUB_SERVER_URL"`
	GitHubRepository string `env:"GITHUB_REPOSITORY"`
	GitHubWorkspace  string `env:"GITHUB_WORKSPACE"`

	GitLabServerURL   string `env:"CI_SERVER_URL"`
	GitLabProjectPath string `env:"CI_PROJECT_PATH"`
	GitLabProjectDir  string `env:"CI_PROJECT_DIR"`

	AzureRepositoryURI     string `env:"BUILD_REPOSITORY_URI"`
	AzureSourcesDirectory  string `env:"BUILD_SOURCESDIRECTORY"`
	BitbucketHTTPOrigin    string `env:"BITBUCKET_GIT_HTTP_ORIGIN"`
	BitbucketCloneDir      string `env:"BITBUCKET_CLONE_DIR"`
	BuildkiteRepo          string `env:"BUILDKITE_REPO"`
	BuildkiteCheckoutPath  string `env:"BUILDKITE_BUILD_CHECKOUT_PATH"`
	CircleRepositoryURL    string `env:"CIRCLE_REPOSITORY_URL"`
	CircleWorkingDirectory string `env:"CIRCLE_WORKING_DIRECTORY"`

	JenkinsURL       string `env:"JENKINS_URL"`
	JenkinsGitURL    string `env:"GIT_URL"`
	JenkinsWorkspace string `env:"WORKSPACE"`
}

// credentialVariables are those in which registry credentials are handed to
// jobs. They are all text: none of them may end a command by its form.
type credentialVariables struct {
	DockerAuthConfig string `env:"DOCKER_AUTH_CONFIG"`
	// RegistryAuthFile is podman's; the directories are where it looks else.
	RegistryAuthFile string `env:"REGISTRY_AUTH_FILE"`
	RuntimeDir       string `env:"XDG_RUNTIME_DIR"`
	ConfigDir        string `env:"XDG_CONFIG_HOME"`

	// Registry and the two after it are the convention of Jenkins' pipelines.
	Registry         string `env:"REGISTRY"`
	RegistryUsername string `env:"REGISTRY_USERNAME"`
	RegistryPassword string `env:"REGISTRY_PASSWORD"`

	GitLabRegistry         string `env:"CI_REGISTRY"`
	GitLabRegistryUser     string `env:"CI_REGISTRY_USER"`
	GitLabRegistryPassword string `env:"CI_REGISTRY_PASSWORD"`
	GitLabJobToken         string `env:"CI_JOB_TOKEN"`
	GitLabDeployUser       string `env:"CI_DEPLOY_USER"`
	GitLabDeployPassword   string `env:"CI_DEPLOY_PASSWORD"`
	GitLabProxyServer      string `env:"CI_DEPENDENCY_PROXY_SERVER"`
	GitLabProxyUser        string `env:"CI_DEPENDENCY_PROXY_USER"`
	GitLabProxyPassword    string `env:"CI_DEPENDENCY_PROXY_PASSWORD"`

	GitHubActions   string `env:"GITHUB_ACTIONS"`
	GitHubServerURL string `env:"GITHUB_SERVER_URL"`
	GitHubActor     string `env:"GITHUB_ACTOR"`
	GitHubToken     string `env:"GITHUB_TOKEN"`
}

func loadEnvironment(ctx context.Context) (environment, error) {
	return lookupEnvironment(ctx, envconfig.OsLookuper())
}

func lookupEnvironment(ctx context.Context, lookuper envconfig.Lookuper) (environment, error) {
	env := environment{lookup: lookuper.Lookup}
	if err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: &env, Lookuper: lookuper}); err != nil {
		return env, fmt.Errorf("read the environment: %w", err)
	}
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
