package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"
	"github.com/sethvargo/go-envconfig"

	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/internal/variables"
)

// environment are the variables that other tools define. SLIPWAY_* variables
// belong to the flags and are not here. All fields are text: what has a form is
// read by name, and package variables knows its form.
type environment struct {
	// BuildxConfig is buildx's state directory.
	BuildxConfig string `env:"BUILDX_CONFIG"`
	// DockerConfig is the directory of docker's config.json.
	DockerConfig string `env:"DOCKER_CONFIG"`
	// BuildKitHost is the address of a buildkitd, for nodes of the driver
	// remote that are created without one.
	BuildKitHost string `env:"BUILDKIT_HOST"`
	Home         string `env:"HOME"`
	// CacheHome is the directory for caches of the desktop's convention.
	CacheHome string `env:"XDG_CACHE_HOME"`

	Credentials credentialVariables
	CI          ci.Variables

	// lookup reads the variables that are no fields: those that a flag names,
	// and those that another package reads by name. Nothing else below main
	// reads the environment of the process. A variable of another tool that is
	// empty or nonsense is not set; nonsense is reported.
	lookup func(name string) (string, bool)
	// mistakes are the reports.
	mistakes *mistakes
}

// mistakes collect what variables hold that they may not, each once, until there
// is a log for it.
type mistakes struct {
	mu     sync.Mutex
	log    *zerolog.Logger
	before []func(zerolog.Logger)
	told   map[string]bool
}

func (m *mistakes) report(v variables.Variable, value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told[v.Name] {
		return
	}
	m.told[v.Name] = true
	tell := func(log zerolog.Logger) {
		log.Warn().Msgf("%s=%q counts as not set: it is %s", v.Name, value, v.Form)
	}
	if m.log == nil {
		m.before = append(m.before, tell)
		return
	}
	tell(*m.log)
}

// tell reports to a log what was found, and from now on at once.
func (m *mistakes) tell(log zerolog.Logger) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = &log
	for _, tell := range m.before {
		tell(log)
	}
	m.before = nil
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

// loadEnvironment reads the environment of the process. dockerConfig takes the place of
// DOCKER_CONFIG where it is not empty, as docker --config does.
func loadEnvironment(ctx context.Context, dockerConfig string) (environment, error) {
	lookuper := envconfig.OsLookuper()
	if dockerConfig != "" {
		lookuper = envconfig.MultiLookuper(envconfig.MapLookuper(map[string]string{"DOCKER_CONFIG": dockerConfig}), lookuper)
	}
	return lookupEnvironment(ctx, lookuper)
}

func lookupEnvironment(ctx context.Context, lookuper envconfig.Lookuper) (environment, error) {
	found := &mistakes{told: map[string]bool{}}
	env := environment{lookup: variables.Lookup{Env: lookuper.Lookup, Report: found.report}.Value, mistakes: found}
	if err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: &env, Lookuper: lookuper}); err != nil {
		return env, fmt.Errorf("read the environment: %w", err)
	}
	env.CI.CircleCI.Home = env.Home
	env.CI.Tekton.Steps = isDirectory(ci.TektonSteps)
	return env, nil
}

// variable is the value of a variable that is no field; empty when it is not
// set.
func (e environment) variable(name string) string {
	value, _ := e.lookup(name)
	return value
}

// enabled is the value of a boolean that is no field; false when it is not set.
func (e environment) enabled(name string) bool {
	on, _ := strconv.ParseBool(e.variable(name)) // lookup lets nothing else through
	return on
}

// choose makes each flag read the first of its variables that has a value: a
// pipeline passes variables on that may be empty. A variable of another tool has
// to be of its form, and is reported when the flag is used.
func (e environment) choose(app *kong.Application) {
	quiet := variables.Lookup{Env: os.LookupEnv}
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			flag.Tag.Envs = nil
			for _, name := range flag.Envs {
				if value, ok := quiet.Value(name); ok && value != "" {
					flag.Tag.Envs = []string{name}
					break
				}
			}
		}
		return next(nil)
	})
}

// reportFlags reports the variables of the command's flags that are nonsense.
func (e environment) reportFlags(parsed *kong.Context) {
	for _, flag := range parsed.Flags() {
		for _, name := range flag.Envs {
			e.lookup(name)
		}
	}
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
