package solve

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/slipway-build/slipway/agent/solve/cache"
	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/agent/solve/onfailure"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/agent/solve/session"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// Spec is what a user asks for, as strings: the flags of docker buildx build by
// their meaning. Whoever takes a build in another form, such as a command line
// of another tool, makes a Spec of it. It may hold credentials and values of
// build arguments.
type Spec struct {
	// Context is a directory, "-", the path of a pipe, or a git or http(s) URL.
	Context string `json:"context"`
	// Dockerfile is the value of -f, see Request.Dockerfile.
	Dockerfile string `json:"dockerfile,omitempty"`
	// DockerfileInline is the text of the Dockerfile; Dockerfile is not looked at then.
	DockerfileInline string `json:"dockerfileInline,omitempty"`

	Target        string   `json:"target,omitempty"`
	Platforms     []string `json:"platforms,omitempty"`     // see ParsePlatforms
	Tags          []string `json:"tags,omitempty"`          // see ParseTag
	Outputs       []string `json:"outputs,omitempty"`       // see output.Parse
	OnFailure     []string `json:"onFailure,omitempty"`     // see onfailure.Parse
	Push          bool     `json:"push,omitempty"`          // see output.ApplyPush
	Load          bool     `json:"load,omitempty"`          // see output.ApplyLoad
	BuildArgs     []string `json:"buildArgs,omitempty"`     // see ParseBuildArgs
	BuildContexts []string `json:"buildContexts,omitempty"` // see ParseBuildContext
	Labels        []string `json:"labels,omitempty"`        // see ParseLabels
	Annotations   []string `json:"annotations,omitempty"`   // see imageindex.ParseAnnotation
	Attests       []string `json:"attests,omitempty"`       // see ParseAttest
	Provenance    string   `json:"provenance,omitempty"`    // see ParseProvenance
	SBOM          string   `json:"sbom,omitempty"`          // see ParseSBOM
	CacheFrom     []string `json:"cacheFrom,omitempty"`     // see cache.ParseFrom
	CacheTo       []string `json:"cacheTo,omitempty"`       // see cache.ParseTo
	Secrets       []string `json:"secrets,omitempty"`       // see session.ParseSecret
	SSH           []string `json:"ssh,omitempty"`           // see session.ParseSSH
	NoCache       bool     `json:"noCache,omitempty"`
	NoCacheFilter []string `json:"noCacheFilter,omitempty"` // names of stages
	Pull          bool     `json:"pull,omitempty"`
	ExtraHosts    []string `json:"extraHosts,omitempty"` // see ParseAddHost
	Network       string   `json:"network,omitempty"`    // see ParseNetwork
	ShmSize       string   `json:"shmSize,omitempty"`    // see ParseShmSize
	Ulimits       []string `json:"ulimits,omitempty"`    // see ParseUlimit
	CgroupParent  string   `json:"cgroupParent,omitempty"`
	Resources     []string `json:"resources,omitempty"` // see ParseResource
	Allow         []string `json:"allow,omitempty"`     // see ParseAllow
	// RegistryAllow are hosts, several in one value separated by white space; see
	// Request.RegistryAllow.
	RegistryAllow []string `json:"registryAllow,omitempty"`
	// ContextKey and ContextMtime are Request.ContextKey and Request.Mtime.
	ContextKey   string `json:"contextKey,omitempty"`
	ContextMtime string `json:"contextMtime,omitempty"`
}

// Surroundings are what a request has from where it was made, which a Spec of
// strings cannot hold: an agent's command line, or a service's own.
type Surroundings struct {
	// WorkDir, Home, Files, Stdout, StdoutTerminal, Lookup, Environ and Proxy are those
	// of Request.
	WorkDir        string
	Home           string
	Files          *source.Reader
	Stdout         io.Writer
	StdoutTerminal bool
	Lookup         func(name string) (string, bool)
	Environ        []string
	Proxy          map[string]string
}

// Request parses the strings. Empty values in lists are none, as with docker
// buildx: pipelines pass variables that may be empty. All mistakes are reported
// at once, as a fault.List of *fault.Usage; the request has what could be parsed.
func (s Spec) Request(from Surroundings) (Request, error) {
	r := Request{
		Context:        s.Context,
		Dockerfile:     s.Dockerfile,
		Inline:         s.DockerfileInline,
		Target:         s.Target,
		NoCache:        s.NoCache,
		NoCacheFilter:  s.NoCacheFilter,
		Pull:           s.Pull,
		CgroupParent:   s.CgroupParent,
		ContextKey:     s.ContextKey,
		Mtime:          contextfs.MtimeMode(s.ContextMtime),
		WorkDir:        from.WorkDir,
		Home:           from.Home,
		Files:          from.Files,
		Stdout:         from.Stdout,
		StdoutTerminal: from.StdoutTerminal,
		Lookup:         from.Lookup,
		Environ:        from.Environ,
		Proxy:          from.Proxy,
	}
	var all fault.List
	r.BuildArgs = fault.Take(&all, func() (map[string]string, error) { return ParseBuildArgs(s.BuildArgs, r.lookup) })
	r.Labels = fault.Take(&all, func() (map[string]string, error) { return ParseLabels(s.Labels) })
	r.Network = fault.Take(&all, func() (string, error) { return ParseNetwork(s.Network) })
	if s.ShmSize != "" {
		r.ShmSize = fault.Take(&all, func() (int64, error) { return ParseShmSize(s.ShmSize) })
	}
	r.ExtraHosts = flat(fault.Each(&all, s.ExtraHosts, ParseAddHost))
	r.Ulimits = fault.Each(&all, s.Ulimits, ParseUlimit)
	r.Resources = fault.Each(&all, s.Resources, ParseResource)
	r.Allow = fault.Each(&all, s.Allow, ParseAllow)
	r.Contexts = fault.Each(&all, s.BuildContexts, ParseBuildContext)
	r.Secrets = fault.Each(&all, s.Secrets, session.ParseSecret)
	r.SSH = fault.Each(&all, s.SSH, session.ParseSSH)
	r.Outputs = fault.Each(&all, s.Outputs, output.Parse)
	r.OnFailure = fault.Each(&all, s.OnFailure, onfailure.Parse)
	if len(s.Tags) > maxTags {
		all = append(all, &fault.Usage{Flag: "--tag", Problem: fmt.Sprintf("%d names are given, and at most %d are taken", len(s.Tags), maxTags), Hint: "give each name once"})
	} else {
		r.Tags = fault.Each(&all, s.Tags, ParseTag)
	}
	r.Annotations = flat(fault.Each(&all, s.Annotations, imageindex.ParseAnnotation))
	r.Attests = fault.Each(&all, s.Attests, ParseAttest)
	r.Attests = append(r.Attests, fault.Each(&all, []string{s.Provenance}, ParseProvenance)...)
	r.Attests = append(r.Attests, fault.Each(&all, []string{s.SBOM}, ParseSBOM)...)
	r.CacheFrom = flat(fault.Each(&all, s.CacheFrom, cache.ParseFrom))
	r.CacheTo = flat(fault.Each(&all, s.CacheTo, cache.ParseTo))
	for _, value := range s.RegistryAllow {
		r.RegistryAllow = append(r.RegistryAllow, fault.Each(&all, strings.Fields(value), parseAllowedRegistry)...)
	}
	if s.Push {
		r.Outputs = output.ApplyPush(r.Outputs)
	}
	if s.Load {
		r.Outputs = output.ApplyLoad(r.Outputs)
	}
	return r, all.Err()
}

// maxTags bounds the names of an image. Each of them is a request to a registry, and a
// list that is longer comes from a mistake in a script.
const maxTags = 1000

// parseAllowedRegistry parses a host of --registry-allow.
func parseAllowedRegistry(value string) (host string, err error) {
	server, err := registry.ParseServer(value)
	if usage := (*fault.Usage)(nil); errors.As(err, &usage) {
		usage.Flag = "--registry-allow"
	}
	return server.Host, err
}

// flat joins lists.
func flat[T any](lists [][]T) []T {
	var out []T
	for _, list := range lists {
		out = append(out, list...)
	}
	return out
}
