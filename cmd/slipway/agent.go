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
	"github.com/slipway-build/slipway/agent/sidecar/gateway"
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
	gatewayFlags
	HTTP  string `name:"http" env:"SLIPWAY_AGENT_HTTP" placeholder:"HOST:PORT" help:"Serve /healthz, /readyz and Prometheus' /metrics on this address as well, such as 127.0.0.1:9464, or :9464 for all addresses of the pod."`
	PProf bool   `name:"pprof" help:"Serve profiles of the process below /debug/pprof/ of --http, which has to be a loopback address."`
	registryFlags
}

// Help is shown by --help.
func (c *agentServeCmd) Help() string {
	return "Runs in a container of its own beside that of a job, and shares a directory with it. The builders start at once. Each of their nodes gets a socket that speaks BuildKit's API, and slipway and docker buildx find definitions of these in the directory: the job needs no rights in the cluster, no network and, for the registries named, no credentials.\n\nWith --listen it is a gateway: clients elsewhere reach the same nodes over TCP with certificates, each by the TLS server name NODE.BUILDER. \"slipway definition gateway\" prints their definitions. --agent \"\" leaves out the directory."
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
	if in.global.Agent == "" && c.Listen == "" {
		return &usageError{err: errors.New("--agent is empty: nothing is served"), hints: []string{"name a directory with --agent, or an address with --listen"}}
	}
	if c.Drain < 0 {
		return &usageError{err: fmt.Errorf("--drain %s: must not be negative", c.Drain)}
	}
	if c.PProf && c.HTTP == "" {
		return &usageError{err: errors.New("--pprof: profiles are served on the address of --http"), hints: []string{"add --http 127.0.0.1:9464"}}
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
	gateway, err := c.gateway(in, definitions)
	if err != nil {
		return &usageError{err: err}
	}
	clients := &fleet.Clients{Access: in.access(), Log: in.log}
	process.AllowDrain(in.ctx, c.Drain)
	return sidecar.Sidecar{
		Dir:            in.global.Agent,
		Gateway:        gateway,
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
		HTTP:           c.HTTP,
		PProf:          c.PProf,
		Version:        version,
		Log:            in.log,
	}.Run(in.ctx)
}

// gatewayFlags say at which address clients with certificates are served.
type gatewayFlags struct {
	Listen       string `env:"SLIPWAY_AGENT_LISTEN" placeholder:"[HOST]:PORT" help:"Also serve the nodes at this address, to clients with certificates."`
	TLSCert      string `env:"SLIPWAY_AGENT_TLS_CERT" placeholder:"FILE" help:"Certificate for --listen, for the server names NODE.BUILDER. Files are read again after they have changed."`
	TLSKey       string `env:"SLIPWAY_AGENT_TLS_KEY" placeholder:"FILE" help:"Its key."`
	TLSClientCA  string `name:"tls-client-ca" env:"SLIPWAY_AGENT_TLS_CLIENT_CA" placeholder:"FILE" help:"Authorities that sign the certificates of clients. A client's name is the first URI of its certificate, else the first DNS name, else the common name."`
	TLSClientCRL string `name:"tls-client-crl" env:"SLIPWAY_AGENT_TLS_CLIENT_CRL" placeholder:"FILE" help:"Lists of the certificates that these authorities have revoked."`
}

// gateway is what the flags ask for; nil for nothing.
func (f gatewayFlags) gateway(in *invocation, definitions []configmap.Definition) (*sidecar.Gateway, error) {
	needed := []struct{ flag, value string }{{"--tls-cert", f.TLSCert}, {"--tls-key", f.TLSKey}, {"--tls-client-ca", f.TLSClientCA}}
	if f.Listen == "" {
		for _, n := range append(needed, struct{ flag, value string }{"--tls-client-crl", f.TLSClientCRL}) {
			if n.value != "" {
				return nil, fmt.Errorf("%s %s: nothing is served with it without --listen", n.flag, n.value)
			}
		}
		return nil, nil
	}
	for _, n := range needed {
		if n.value == "" {
			return nil, fmt.Errorf("--listen %s: needs %s as well: clients are known by their certificates", f.Listen, n.flag)
		}
	}
	files := gateway.Files{Certificate: f.TLSCert, Key: f.TLSKey, ClientCA: f.TLSClientCA, Revoked: f.TLSClientCRL}
	read := func(path string) ([]byte, error) { return in.files.Read(path, source.MaxConfig) }
	return sidecar.NewGateway(f.Listen, files, read, definitions, in.log)
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
			return nil, &usageError{err: fmt.Errorf("--allow-push %q: has no effect without --registry", push[0]), hints: []string{"name the registry with --registry"}}
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
	if in.global.Agent == "" {
		return &usageError{err: errors.New("--agent is empty: there is no agent to ask")}
	}
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
