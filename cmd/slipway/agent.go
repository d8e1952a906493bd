package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-build/slipway/agent"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/sidecar"
	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/agent/sidecar/policy"
	"github.com/slipway-build/slipway/cmd/slipway/process"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/registry"
)

// agentCmd are the commands of a sidecar.
type agentCmd struct {
	Serve  agentServeCmd  `cmd:"" help:"Serve builders on sockets in the directory of --agent."`
	Health agentHealthCmd `cmd:"" help:"Ask the agent that serves the directory of --agent whether it lives, and with --ready whether all its builders answer."`
}

// agentServeCmd serves until it is ended.
type agentServeCmd struct {
	Builders []string `arg:"" name:"builder" optional:"" help:"The builders to serve (default: all that are defined)."`

	Registry       []string      `sep:"none" env:"SLIPWAY_AGENT_REGISTRIES" placeholder:"HOST" help:"Registry for which builds get credentials from here. The variable holds one per line."`
	AllowPush      []string      `sep:"none" env:"SLIPWAY_AGENT_ALLOW_PUSH" placeholder:"HOST/REPOSITORY" help:"Repositories that builds may push to with these credentials; * stands for a part of the path, a last part ** for all below. The variable holds one per line."`
	Affinity       string        `env:"SLIPWAY_AGENT_AFFINITY" placeholder:"KEY" help:"Pods with the same key prefer the same pod of a builder with several, where the cache is warm. A slipway that builds sends its own key; this one is for other clients (default: the repository, where the CI system's variables are set here, too)."`
	SocketMode     string        `default:"0666" placeholder:"MODE" help:"Mode of the sockets, in octal (default: ${default}, every user of the pod's containers)."`
	MaxConnections int           `default:"256" placeholder:"N" help:"Connections to each socket at the same time (default: ${default})."`
	Policy         string        `env:"SLIPWAY_AGENT_POLICY" placeholder:"FILE" help:"Policy, YAML or JSON: what clients may ask of the builders (default: everything)."`
	PolicyDryRun   bool          `env:"SLIPWAY_AGENT_POLICY_DRY_RUN" help:"Log what the policy would refuse, and refuse nothing."`
	Drain          time.Duration `default:"25s" placeholder:"DURATION" help:"How long builds may go on after SIGTERM (default: ${default}; a pod has 30s until it is killed)."`
	registryFlags
}

// Help is shown by --help.
func (c *agentServeCmd) Help() string {
	return "Runs in a container of its own beside that of a job, and shares a directory with it. The builders start at once. Each of their nodes gets a socket that speaks BuildKit's API, and slipway and docker buildx find definitions of these in the directory: the job needs no rights in the cluster, no network and, for the registries named, no credentials."
}

// Run serves.
func (c *agentServeCmd) Run(in *invocation) error {
	mode, err := strconv.ParseUint(c.SocketMode, 8, 9)
	if err != nil {
		return &usageError{err: fmt.Errorf("--socket-mode %q: is no mode in octal, such as 0660", c.SocketMode)}
	}
	if c.MaxConnections < 1 {
		return &usageError{err: fmt.Errorf("--max-connections %d: must be at least 1", c.MaxConnections)}
	}
	if c.Drain < 0 {
		return &usageError{err: fmt.Errorf("--drain %s: must not be negative", c.Drain)}
	}
	definitions, err := c.definitions(in)
	if err != nil {
		return err
	}
	credentials, err := c.credentials(in, definitions)
	if err != nil {
		return err
	}
	rules, err := c.policy(in)
	if err != nil {
		return &usageError{err: err}
	}
	hosts, err := agent.RegistryHosts(definitions...)
	if err != nil {
		return err
	}
	clients := &fleet.Clients{Access: in.access(), Log: in.log}
	process.AllowDrain(in.ctx, c.Drain)
	return sidecar.Sidecar{
		Dir:            in.global.Agent,
		Definitions:    definitions,
		Connector:      clients.Connector(),
		Credentials:    credentials,
		Hosts:          hosts,
		Policy:         rules,
		PolicyDryRun:   c.PolicyDryRun,
		Affinity:       c.affinity(in),
		Mode:           os.FileMode(mode),
		MaxConnections: c.MaxConnections,
		Drain:          c.Drain,
		Version:        version,
		Log:            in.log,
	}.Run(in.ctx)
}

// policy is what the flags name; nil for nothing.
func (c *agentServeCmd) policy(in *invocation) (*policy.Policy, error) {
	if c.Policy == "" {
		if c.PolicyDryRun {
			return nil, errors.New("--policy-dry-run: there is no policy: name one with --policy")
		}
		return nil, nil
	}
	text, err := in.files.Read(c.Policy, source.MaxConfig)
	if err != nil {
		return nil, fmt.Errorf("--policy %s: %s", c.Policy, fault.Cause(err))
	}
	return policy.Parse(c.Policy, text)
}

// affinity is the key of the flag, else what the CI system says.
func (c *agentServeCmd) affinity(in *invocation) string {
	if id, ok := in.env.CI.Identify(); ok && c.Affinity == "" {
		return id.Repository
	}
	return c.Affinity
}

// definitions are those of the builders named, else all.
func (c *agentServeCmd) definitions(in *invocation) ([]configmap.Definition, error) {
	places := in.places()
	places.Agent = "" // its own sockets are none to serve
	set, err := in.loadFrom(places)
	if err != nil {
		return nil, err
	}
	if len(c.Builders) == 0 {
		if err := set.Broken(); err != nil {
			return nil, &usageError{err: err}
		}
		return set.Definitions(), nil
	}
	var all []configmap.Definition
	for _, name := range c.Builders {
		d, err := set.Select(name)
		if err != nil {
			return nil, &usageError{err: err}
		}
		all = append(all, d)
	}
	return all, nil
}

// credentials are what the flags give out; nil for nothing.
func (c *agentServeCmd) credentials(in *invocation, definitions []configmap.Definition) (*sidecar.Credentials, error) {
	registries, push := lines(c.Registry), lines(c.AllowPush)
	if len(registries) == 0 {
		if len(push) > 0 {
			return nil, &usageError{err: fmt.Errorf("--allow-push %q: no credentials are given out", push[0]), hints: []string{"name the registry with --registry"}}
		}
		return nil, nil
	}
	inputs, err := c.inputs(in.env, in.files, push)
	if err != nil {
		return nil, &usageError{err: err}
	}
	inputs.Extra = []registry.CredentialSource{agent.PullSecrets(in.access(), in.log)}
	keychain := registry.Watch(registry.NewKeychain(inputs, in.log), in.secrets.hide)
	client, err := in.registryClient(keychain, nil, definitions...)
	if err != nil {
		return nil, err
	}
	credentials, err := sidecar.NewCredentials(keychain, client, registries, push, in.log)
	if err != nil {
		return nil, &usageError{err: err}
	}
	return credentials, nil
}

// lines are the values of a list flag, whose variable holds one per line.
func lines(values []string) []string {
	var all []string
	for _, value := range values {
		all = append(all, strings.Fields(value)...)
	}
	return all
}

// agentHealthCmd asks a running agent.
type agentHealthCmd struct {
	Ready bool `help:"Fail as long as a builder does not answer."`
}

// Run asks.
func (c *agentHealthCmd) Run(in *invocation) error {
	client := api.NewClient(in.global.Agent)
	ask := client.Live
	if c.Ready {
		ask = client.Ready
	}
	if err := ask(in.ctx); err != nil {
		return fault.With(fault.ClassCluster, err)
	}
	return nil
}
