package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/agent"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/registry"
)

// buildCmd are the flags of docker buildx build, name for name. A list flag is
// given several times; commas belong to the value unless its help says else.
type buildCmd struct {
	Context string `arg:"" placeholder:"CONTEXT" help:"Directory, git URL, tarball URL, or - for a tarball or Dockerfile on standard input."`

	File          string   `short:"f" placeholder:"FILE" help:"Name of the Dockerfile, - for standard input (default: Dockerfile in the context)."`
	Target        string   `placeholder:"STAGE" help:"Stage to build."`
	Platform      []string `sep:"none" env:"DOCKER_DEFAULT_PLATFORM" placeholder:"OS/ARCH" help:"Platforms to build for, comma-separated."`
	Output        []string `short:"o" sep:"none" placeholder:"OUTPUT" help:"Where the result goes: type=local,dest=DIR, or just DIR."`
	BuildArg      []string `sep:"none" placeholder:"NAME[=VALUE]" help:"Build-time variable; without a value it is taken from the environment."`
	BuildContext  []string `sep:"none" placeholder:"NAME=SOURCE" help:"Additional context: a path, git URL, docker-image://REF or oci-layout://PATH."`
	Label         []string `sep:"none" placeholder:"NAME=VALUE" help:"Label of the image."`
	Secret        []string `sep:"none" placeholder:"SECRET" help:"Secret for RUN: id=ID[,src=FILE] or id=ID,env=VARIABLE."`
	SSH           []string `name:"ssh" sep:"none" placeholder:"SSH" help:"SSH agent or keys for RUN: default or ID[=SOCKET|KEY,…]."`
	NoCache       bool     `help:"Do not use the cache."`
	NoCacheFilter []string `sep:"none" placeholder:"STAGE" help:"Do not use the cache for these stages."`
	Pull          bool     `help:"Look for newer versions of all images that are referred to."`
	AddHost       []string `sep:"none" placeholder:"HOST:IP" help:"Line of /etc/hosts for RUN."`
	Network       string   `placeholder:"MODE" help:"Network of RUN: default, none or host."`
	ShmSize       string   `placeholder:"BYTES" help:"Size of /dev/shm for RUN."`
	Ulimit        []string `sep:"none" placeholder:"NAME=SOFT[:HARD]" help:"Limit for RUN."`
	CgroupParent  string   `placeholder:"CGROUP" help:"Parent cgroup of RUN."`
	Allow         []string `sep:"none" placeholder:"ENTITLEMENT" help:"Allow network.host, security.insecure or device."`
	Progress      string   `default:"auto" env:"SLIPWAY_PROGRESS,BUILDKIT_PROGRESS" placeholder:"MODE" help:"Type of progress output: auto, plain, tty, rawjson, quiet."`
	Quiet         bool     `short:"q" help:"Suppress the progress output."`

	refusedFlags
}

// Help is shown by --help.
func (c *buildCmd) Help() string {
	return "The flags are those of docker buildx build. The builders of the definition are started where they do not run, every platform is built on the node that is of it, and the output appears when all of them have succeeded."
}

// Run builds.
func (c *buildCmd) Run(in *invocation) error {
	mode, err := c.mode()
	if err != nil {
		return err
	}
	platforms, err := solve.ParsePlatforms(c.Platform)
	if err != nil {
		return &usageError{err: err}
	}
	request, err := c.request(in)
	if err != nil {
		return err
	}
	definition, err := in.definition(in.global.Builder)
	if err != nil {
		return err
	}
	return agent.Build{
		Definition: definition,
		Access:     in.global.access(),
		Request:    request,
		Platforms:  platforms,
		StickyKey:  c.Context,
		Terminal:   in.terminal,
		Mode:       mode,
		Log:        in.log,
	}.Run(in.ctx)
}

func (c *buildCmd) mode() (progress.Mode, error) {
	mode, err := progress.ParseMode(c.Progress)
	if err != nil {
		return "", &usageError{err: fmt.Errorf("--progress: %w", err)}
	}
	if !c.Quiet {
		return mode, nil
	}
	if mode != progress.Auto && mode != progress.Quiet && mode != progress.None {
		return "", &usageError{err: fmt.Errorf("--quiet and --progress=%s exclude each other", mode)}
	}
	return progress.Quiet, nil
}

// request parses the flags that shape a solve; all mistakes are reported at
// once.
func (c *buildCmd) request(in *invocation) (solve.Request, error) {
	docker, err := registry.LoadDockerConfig(in.env.dockerDir())
	if err != nil {
		return solve.Request{}, &usageError{err: err}
	}
	r := solve.Request{
		Context:       c.Context,
		Dockerfile:    c.File,
		Target:        c.Target,
		NoCache:       c.NoCache,
		NoCacheFilter: c.NoCacheFilter,
		Pull:          c.Pull,
		CgroupParent:  c.CgroupParent,
		Stdin:         in.in,
		Lookup:        os.LookupEnv,
		Proxy:         docker.Proxies(in.env.DockerHost),
		Keychain:      registry.Docker(docker, in.log),
	}
	var all mistakes
	r.BuildArgs = take(&all, func() (map[string]string, error) { return solve.ParseBuildArgs(c.BuildArg, os.LookupEnv) })
	r.Labels = take(&all, func() (map[string]string, error) { return solve.ParseLabels(c.Label) })
	r.Network = take(&all, func() (string, error) { return solve.ParseNetwork(c.Network) })
	if c.ShmSize != "" {
		r.ShmSize = take(&all, func() (int64, error) { return solve.ParseShmSize(c.ShmSize) })
	}
	for _, host := range each(&all, c.AddHost, solve.ParseAddHost) {
		r.ExtraHosts = append(r.ExtraHosts, host...)
	}
	r.Ulimits = each(&all, c.Ulimit, solve.ParseUlimit)
	r.Allow = each(&all, c.Allow, solve.ParseAllow)
	r.Contexts = each(&all, c.BuildContext, solve.ParseBuildContext)
	r.Secrets = each(&all, c.Secret, solve.ParseSecret)
	r.SSH = each(&all, c.SSH, solve.ParseSSH)
	r.Outputs = each(&all, c.Output, solve.ParseOutput)
	if len(all) > 0 {
		return solve.Request{}, &usageError{err: all}
	}
	return r, nil
}

// mistakes are several errors of one command line.
type mistakes []error

func (m mistakes) Error() string {
	lines := make([]string, len(m))
	for i, err := range m {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "; ")
}

// Hints are the hints of all mistakes, each once.
func (m mistakes) Hints() []string {
	var out []string
	for _, one := range m {
		for _, hint := range hints(one) {
			if !slices.Contains(out, hint) {
				out = append(out, hint)
			}
		}
	}
	return out
}

// Unwrap returns the mistakes one by one.
func (m mistakes) Unwrap() []error { return m }

// take parses one flag and collects its mistake.
func take[T any](all *mistakes, parse func() (T, error)) T {
	value, err := parse()
	if err != nil {
		*all = append(*all, err)
	}
	return value
}

// each parses every value of a list flag and collects the mistakes. An empty
// value is none, as with docker buildx: pipelines pass variables that may be.
func each[T any](all *mistakes, values []string, parse func(string) (T, error)) []T {
	var out []T
	for _, v := range values {
		if v == "" {
			continue
		}
		out = append(out, take(all, func() (T, error) { return parse(v) }))
	}
	return out
}
