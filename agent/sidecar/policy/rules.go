package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/slipway-build/slipway/internal/fault"
)

// Names of frontends in a policy.
const (
	// FrontendDockerfile is the Dockerfile frontend in the daemon.
	FrontendDockerfile = "dockerfile.v0"
	// FrontendGateway runs the image of a frontend.
	FrontendGateway = "gateway.v0"
	// FrontendLLB stands for definitions of clients that run commands.
	FrontendLLB = "llb"
)

// anyImage in place of a pattern stands for all images.
const anyImage = "*"

// File is a policy as it is written. The keys of Rules at its top are those of all
// clients.
type File struct {
	Rules
	// MaxBuildsPerNode bounds what runs on a node at a time for all clients together.
	MaxBuildsPerNode *int `json:"maxBuildsPerNode,omitempty" min:"1" doc:"Builds that a node runs at a time for all clients together; more wait (default: no bound)."`
	// Clients has other rules by the names of clients' certificates.
	Clients map[string]Rules `json:"clients,omitempty" doc:"Rules of single clients, by the name in their certificate. A key that is there replaces that of all clients, the others hold."`
}

// Rules are what a client may do. A key that is absent has its default.
type Rules struct {
	Tenant             *string    `json:"tenant,omitempty" doc:"Whom the builds are for, such as a repository. Contexts, cache mounts and the choice of a pod are bound to it: tenants of one builder do not see or change each other's (default: not bound)."`
	Frontends          []string   `json:"frontends,omitempty" enum:"dockerfile.v0,gateway.v0,llb" doc:"Frontends; llb stands for definitions of a client's own that run commands (default: dockerfile.v0 and gateway.v0)."`
	SyntaxImages       []string   `json:"syntaxImages,omitempty" pattern:"image" doc:"Images of frontends that builds may run: BUILDKIT_SYNTAX and gateway.v0. What a Dockerfile says after # syntax= is not followed, unless this is \"*\" (default: none)."`
	Entitlements       []string   `json:"entitlements,omitempty" enum:"security.insecure,network.host,device" doc:"Entitlements (default: none)."`
	Exporters          []string   `json:"exporters,omitempty" enum:"image,oci,docker,local,tar" doc:"Exporters (default: all)."`
	Push               []string   `json:"push,omitempty" pattern:"image" doc:"Images that the image exporter may name, and repositories for which slipway gets tokens to push with (default: none)."`
	InsecureRegistries *bool      `json:"insecureRegistries,omitempty" doc:"Whether registry.insecure may be set for images and caches (default: false)."`
	CacheExports       *Caches    `json:"cacheExports,omitempty" doc:"Where caches may be written to."`
	CacheImports       *Caches    `json:"cacheImports,omitempty" doc:"Where caches may be read from."`
	Attestations       []string   `json:"attestations,omitempty" enum:"provenance,sbom" doc:"Attestations that images must have (default: none)."`
	BuildArgs          *BuildArgs `json:"buildArgs,omitempty" doc:"Bounds of build arguments."`
	FrontendAttributes []string   `json:"frontendAttributes,omitempty" doc:"Attributes of frontends that are passed on besides those of Slipway and buildx, such as cgroup-parent (default: none)."`
	GatewayContainers  *bool      `json:"gatewayContainers,omitempty" doc:"Whether clients may run commands in containers beside a build, as buildx does to debug one (default: false)."`
	MaxBuilds          *int       `json:"maxBuilds,omitempty" min:"1" doc:"Builds of a client that a node runs at a time; more wait (default: no bound)."`
	MaxWaiting         *int       `json:"maxWaiting,omitempty" min:"0" doc:"Builds of a client that wait for a place on a node; more are refused (default: 100)."`
	Timeout            *Duration  `json:"timeout,omitempty" doc:"How long a build may run; it is cancelled then (default: no bound)."`
}

// Caches are where caches may be.
type Caches struct {
	Types []string `json:"types,omitempty" enum:"inline,registry,local,gha,s3,azblob" doc:"Types of caches (default: inline and registry)."`
	Refs  []string `json:"refs,omitempty" pattern:"image" doc:"Images that caches of the type registry may be in (default: none)."`
}

// BuildArgs are bounds of build arguments.
type BuildArgs struct {
	Max    *int     `json:"max,omitempty" min:"0" doc:"Arguments of a build (default: 1000)."`
	Bytes  *int     `json:"bytes,omitempty" min:"0" doc:"Bytes of all names and values of a build (default: 1048576)."`
	Denied []string `json:"denied,omitempty" doc:"Names that may not be given, in any case (default: none)."`
}

// Duration is a duration in a file, such as 1h30m.
type Duration time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	parsed, err := time.ParseDuration(s)
	*d = Duration(parsed)
	return err
}

// Policy are the rules of all clients. It may be used by several goroutines.
type Policy struct {
	// MaxBuilds bounds what runs on a node at a time; 0 is no bound.
	MaxBuilds int
	rules     *Client
	clients   map[string]*Client
}

// For returns the rules of a client, by the name in its certificate; empty for one on a
// unix socket.
func (p *Policy) For(name string) *Client {
	if c, ok := p.clients[name]; ok && name != "" {
		return c
	}
	return p.rules
}

// Client are the rules of a client, ready to decide.
type Client struct {
	// Tenant is empty where nothing is bound.
	Tenant string
	// MaxBuilds bounds what a node runs for the client at a time; 0 is no bound.
	MaxBuilds int
	// MaxWaiting bounds what waits for that.
	MaxWaiting int
	// Timeout bounds a build; 0 is no bound.
	Timeout time.Duration
	// Containers says that commands may be run beside a build.
	Containers bool

	frontends    []string
	anySyntax    bool
	syntax       []ImagePattern
	entitlements []string
	exporters    []string
	push         []ImagePattern
	insecure     bool
	exports      caches
	imports      caches
	attestations []string
	maxArgs      int
	argBytes     int
	deniedArgs   []string
	attributes   []string
}

// MayPush reports whether the client may push any image to a repository, HOST/NAME, whose
// host is the canonical one: a token of a registry does not tell images apart.
func (c *Client) MayPush(repository string) bool {
	return slices.ContainsFunc(c.push, func(p ImagePattern) bool { return p.all(repository) })
}

// caches are compiled Caches.
type caches struct {
	key   string // in the policy
	types []string
	refs  []ImagePattern
}

// The defaults of rules that are not there.
const (
	defaultMaxWaiting = 100
	defaultMaxArgs    = 1000
	defaultArgBytes   = 1 << 20
)

// compile makes the rules of all clients.
func (f File) compile() (*Policy, error) {
	p := &Policy{MaxBuilds: value(f.MaxBuildsPerNode, 0), clients: map[string]*Client{}}
	var wrong fault.List
	compiled := func(at string, rules Rules) *Client {
		c, problems := rules.compile()
		for _, problem := range problems {
			wrong = append(wrong, fmt.Errorf("%s%w", at, problem))
		}
		return c
	}
	p.rules = compiled("", f.Rules)
	for _, name := range slices.Sorted(maps.Keys(f.Clients)) {
		if name == "" {
			wrong = append(wrong, fmt.Errorf("clients: a client has no name"))
		}
		p.clients[name] = compiled(fmt.Sprintf("clients[%q]: ", name), f.with(f.Clients[name]))
	}
	return p, wrong.Err()
}

// with returns the rules with those of a client in their place where it has some.
func (r Rules) with(own Rules) Rules {
	r.Tenant = first(own.Tenant, r.Tenant)
	r.Frontends = firstList(own.Frontends, r.Frontends)
	r.SyntaxImages = firstList(own.SyntaxImages, r.SyntaxImages)
	r.Entitlements = firstList(own.Entitlements, r.Entitlements)
	r.Exporters = firstList(own.Exporters, r.Exporters)
	r.Push = firstList(own.Push, r.Push)
	r.InsecureRegistries = first(own.InsecureRegistries, r.InsecureRegistries)
	r.CacheExports = first(own.CacheExports, r.CacheExports)
	r.CacheImports = first(own.CacheImports, r.CacheImports)
	r.Attestations = firstList(own.Attestations, r.Attestations)
	r.BuildArgs = first(own.BuildArgs, r.BuildArgs)
	r.FrontendAttributes = firstList(own.FrontendAttributes, r.FrontendAttributes)
	r.GatewayContainers = first(own.GatewayContainers, r.GatewayContainers)
	r.MaxBuilds = first(own.MaxBuilds, r.MaxBuilds)
	r.MaxWaiting = first(own.MaxWaiting, r.MaxWaiting)
	r.Timeout = first(own.Timeout, r.Timeout)
	return r
}

// compile reads the patterns and sets defaults.
func (r Rules) compile() (*Client, []error) {
	var wrong []error
	images := func(key string, texts []string) []ImagePattern {
		var all []ImagePattern
		for _, text := range texts {
			p, err := ParseImagePattern(text)
			if err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", key, err))
			}
			all = append(all, p)
		}
		return all
	}
	compileCaches := func(key string, c *Caches) caches {
		if c == nil {
			c = &Caches{}
		}
		return caches{key: key, types: orDefault(c.Types, []string{"inline", "registry"}), refs: images(key+".refs", c.Refs)}
	}
	args := value(r.BuildArgs, BuildArgs{})
	c := &Client{
		Tenant:       value(r.Tenant, ""),
		MaxBuilds:    value(r.MaxBuilds, 0),
		MaxWaiting:   value(r.MaxWaiting, defaultMaxWaiting),
		Timeout:      time.Duration(value(r.Timeout, 0)),
		Containers:   value(r.GatewayContainers, false),
		frontends:    orDefault(r.Frontends, []string{FrontendDockerfile, FrontendGateway}),
		anySyntax:    slices.Contains(r.SyntaxImages, anyImage),
		entitlements: r.Entitlements,
		exporters:    orDefault(r.Exporters, exporterTypes()),
		push:         images("push", r.Push),
		insecure:     value(r.InsecureRegistries, false),
		exports:      compileCaches("cacheExports", r.CacheExports),
		imports:      compileCaches("cacheImports", r.CacheImports),
		attestations: r.Attestations,
		maxArgs:      value(args.Max, defaultMaxArgs),
		argBytes:     value(args.Bytes, defaultArgBytes),
		deniedArgs:   args.Denied,
		attributes:   r.FrontendAttributes,
	}
	if !c.anySyntax {
		c.syntax = images("syntaxImages", r.SyntaxImages)
	} else if len(r.SyntaxImages) > 1 {
		wrong = append(wrong, fmt.Errorf("syntaxImages: %q stands for all images: leave out the others", anyImage))
	}
	if r.Tenant != nil && *r.Tenant == "" {
		wrong = append(wrong, fmt.Errorf("tenant: is empty: leave it out to bind nothing"))
	}
	if r.Timeout != nil && *r.Timeout <= 0 {
		wrong = append(wrong, fmt.Errorf("timeout: %s is not a duration of more than zero", time.Duration(*r.Timeout)))
	}
	return c, wrong
}

// value is what a pointer is to, else the default.
func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

func first[T any](own, other *T) *T {
	if own != nil {
		return own
	}
	return other
}

// firstList is the own list if there is one, empty or not.
func firstList(own, other []string) []string {
	if own != nil {
		return own
	}
	return other
}

func orDefault(list, otherwise []string) []string { return firstList(list, otherwise) }
