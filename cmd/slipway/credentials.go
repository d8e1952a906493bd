package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/distribution/reference"

	"github.com/slipway-build/slipway/agent"
	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/registry"
)

// registryFlags say where credentials stand, for commands that speak to
// registries. None holds a secret: what is an argument is seen by everybody on
// the machine.
type registryFlags struct {
	RegistryAuth    []string `sep:"none" env:"SLIPWAY_REGISTRY_AUTH" placeholder:"HOST=WHERE" help:"Where the credential for a registry stands: HOST[/PATH]=env:USER_VARIABLE:PASSWORD_VARIABLE, jenkins:VARIABLE or file:FILE. The variable holds one per line."`
	RegistrySecrets string   `env:"SLIPWAY_REGISTRY_SECRETS" placeholder:"PATH" help:"Directory with mounted pull secrets, or one such file (default: /etc/slipway/registry)."`

	RegistryHost     string `hidden:"" env:"SLIPWAY_REGISTRY_HOST"`
	RegistryUsername string `hidden:"" env:"SLIPWAY_REGISTRY_USERNAME"`
	RegistryPassword string `hidden:"" env:"SLIPWAY_REGISTRY_PASSWORD" variable:"SLIPWAY_REGISTRY_PASSWORD"`
}

// refuseSecrets ends the command when a secret was given as an argument: a flag
// with a tag `variable:"…"` is there for its variable only.
func refuseSecrets(parsed *kong.Context) error {
	for _, part := range parsed.Path {
		if part.Flag == nil || part.Resolved {
			continue
		}
		if variable := part.Flag.Tag.Get("variable"); variable != "" {
			return &usageError{
				err:   fmt.Errorf("--%s: everybody on the machine can read the arguments of a command", part.Flag.Name),
				hints: []string{"set " + variable + " instead, and change the secret"},
			}
		}
	}
	return nil
}

// keychain returns the keychain of all sources, whose credentials are kept out
// of what is printed. The tags are those that the command pushes.
func (in *invocation) keychain(f registryFlags, tags []string) (registry.Watched, error) {
	inputs, err := f.inputs(in.env, in.files, tags)
	if err != nil {
		return registry.Watched{}, &usageError{err: err}
	}
	inputs.Extra = []registry.CredentialSource{
		{Name: "slipway agent", Reads: api.Socket(in.global.Agent), Finder: api.NewClient(in.global.Agent)},
		agent.PullSecrets(in.access(), in.log),
	}
	return registry.Watch(registry.NewKeychain(inputs, in.log), in.secrets.hide), nil
}

// pushedNames are the names that a build pushes: its tags, and those in its
// outputs. An output that is not valid names none; its mistake is told later.
func pushedNames(tags, outputs []string) []string {
	names := slices.Clone(tags)
	for _, value := range outputs {
		o, err := output.Parse(value)
		push, _ := strconv.ParseBool(o.Attrs["push"])
		if err != nil || o.Type != "registry" && (o.Type != "image" || !push) {
			continue
		}
		for name := range strings.SplitSeq(o.Attrs["name"], ",") {
			if name != "" {
				names = append(names, strings.TrimSpace(name))
			}
		}
	}
	return names
}

// inputs are the values that the sources of credentials read.
func (f registryFlags) inputs(env environment, files *source.Reader, tags []string) (registry.Inputs, error) {
	vars := env.Credentials
	i := registry.Inputs{
		Files:            files,
		Lookup:           env.lookup,
		Given:            registry.Login{Host: f.RegistryHost, Username: f.RegistryUsername, Password: f.RegistryPassword},
		BuildxDir:        env.buildxDir(),
		DockerDir:        env.dockerDir(),
		DockerAuthConfig: vars.DockerAuthConfig,
		SecretsPath:      f.RegistrySecrets,
		AuthFile:         vars.RegistryAuthFile,
		RuntimeDir:       vars.RuntimeDir,
		ConfigDir:        env.configDir(),
	}
	var all fault.List
	for _, value := range f.RegistryAuth {
		lines := strings.FieldsFunc(value, func(r rune) bool { return r == '\n' || r == '\r' })
		i.Explicit = append(i.Explicit, fault.Each(&all, lines, registry.ParseRegistryAuth)...)
	}
	if len(all) > 0 {
		return i, all
	}
	for _, tag := range tags {
		if named, err := reference.ParseNormalizedNamed(tag); err == nil {
			i.TagHosts = append(i.TagHosts, reference.Domain(named))
		}
	}
	i.CI = env.CI.Credentials(i.TagHosts)
	return i, i.Check()
}

// proxies are the proxy variables of docker's config.json. A file that cannot
// be read is warned of: what it holds may not be needed.
func (in *invocation) proxies() map[string]string {
	docker, err := registry.LoadDockerConfig(in.files, in.env.dockerDir())
	if err != nil {
		in.log.Warn().Err(err).Msg("the proxies of docker's config cannot be used, and neither its credentials")
		return nil
	}
	return docker.Proxies(in.env.variable("DOCKER_HOST"))
}
