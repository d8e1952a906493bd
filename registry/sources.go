package registry

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/slipway-build/slipway/internal/source"
)

// Inputs are what the sources of credentials read: values of flags and of
// variables, and directories. Whatever is empty is not there.
type Inputs struct {
	// Explicit are the credentials that flags name. Check tells whether they
	// can be read.
	Explicit []Explicit
	// Lookup reads the variables that Explicit names.
	Lookup func(name string) (string, bool)
	// Given is the login of the SLIPWAY_REGISTRY_* variables.
	Given Login
	// TagHosts are the registries of the tags that are built; they name the
	// registry of a Login without one.
	TagHosts []string
	// BuildxDir is buildx's directory, DockerDir that of docker's config.json.
	BuildxDir, DockerDir string
	// DockerAuthConfig is the variable DOCKER_AUTH_CONFIG: JSON, or the path
	// of a file.
	DockerAuthConfig string
	// SecretsPath is a directory with mounted pull secrets, or one such file;
	// empty is defaultSecretsPath, which may be missing.
	SecretsPath string
	// AuthFile is the variable REGISTRY_AUTH_FILE; RuntimeDir and ConfigDir
	// are the directories in which podman has containers/auth.json.
	AuthFile, RuntimeDir, ConfigDir string
	// CI are the sources of the CI system that runs the job.
	CI []CredentialSource
	// Extra are asked last: sources that package registry cannot know, such
	// as the pull secrets of a service account.
	Extra []CredentialSource
	// Files reads the files of credentials.
	Files *source.Reader
}

// sources are all places where credentials are looked for, in the order in
// which they are asked: what was meant for this one command, what somebody has
// set up on the agent, what the CI system gives to every job, and what the
// machine's identity is good for.
func (i Inputs) sources(run *helpers) []CredentialSource {
	docker := filepath.Join(i.DockerDir, "config.json")
	return slices.Concat(
		explicitSources(i.Explicit, i.Files, i.Lookup, run),
		[]CredentialSource{
			{"SLIPWAY_REGISTRY_*", "SLIPWAY_REGISTRY_HOST, _USERNAME, _PASSWORD", i.Given.Finder(givenVariables, i.TagHosts)},
		},
		buildxSources(i.Files, i.BuildxDir, run),
		fileSources("docker config", docker, optional(i.Files, docker), true, run),
		fileSources("DOCKER_AUTH_CONFIG", "DOCKER_AUTH_CONFIG", variable(i.Files, "DOCKER_AUTH_CONFIG", i.DockerAuthConfig), true, run),
		pullSecretSources(i.Files, i.SecretsPath, run),
		containersSources(i.Files, i.AuthFile, i.RuntimeDir, i.ConfigDir, run),
		i.CI,
		cloudSources(run),
		i.Extra,
	)
}

// Check reads the credentials that flags name, and returns a *fault.Usage for
// the first that is not there.
func (i Inputs) Check() error {
	for _, e := range i.Explicit {
		if err := e.check(i.Files, i.Lookup); err != nil {
			return err
		}
	}
	return i.Given.check()
}

// fileSources are the two sources of one file: the helpers that it names, and
// its own entries. loose is that of fileAuths.
func fileSources(name, reads string, read func() (*DockerConfig, error), loose bool, run *helpers) []CredentialSource {
	return []CredentialSource{
		{name + " (helpers)", "credHelpers and credsStore of " + reads, fileHelpers{read, loose, run}},
		{name, "auths of " + reads, fileAuths{read, loose}},
	}
}

// optional reads a file that may be missing.
func optional(files *source.Reader, file string) func() (*DockerConfig, error) {
	return func() (*DockerConfig, error) { return readDockerConfig(files, file) }
}

// finderFunc is a Finder of one function.
type finderFunc func(ctx context.Context, r Request) (Credential, error)

// Find implements Finder.
func (f finderFunc) Find(ctx context.Context, r Request) (Credential, error) { return f(ctx, r) }
