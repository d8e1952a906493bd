package solve

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"

	"github.com/slipway-build/slipway/agent/solve/cache"
	"github.com/slipway-build/slipway/agent/solve/job"
)

// DryRun is what a build would ask for. The JSON keys are an interface to scripts.
type DryRun struct {
	// Builder is the name of the builder.
	Builder string `json:"builder"`
	// Solves are what its nodes would be asked for, in the order of the nodes.
	Solves []Description `json:"solves"`
}

// Description is the resolved request of one job, for --dry-run. It holds no
// secret: credentials and the values of build arguments are masked, secrets and
// SSH keys are their ids.
type Description struct {
	// Node is the name of the node.
	Node string `json:"node,omitempty"`
	// Platforms are what it builds for; absent for its default.
	Platforms []string `json:"platforms,omitempty"`
	// Frontend is what reads the Dockerfile, Attributes what it is told.
	Frontend   string            `json:"frontend"`
	Attributes map[string]string `json:"attributes"`
	// BuildArgs have the value "***" unless --show-build-args is given; those that look
	// like secrets always have it.
	BuildArgs map[string]string `json:"buildArgs,omitempty"`
	// Labels are those of the image.
	Labels map[string]string `json:"labels,omitempty"`
	// Outputs are what comes of the build; none is the cache of the builder only.
	Outputs []DescribedOutput `json:"outputs"`
	// CacheFrom and CacheTo are the caches that are read and written.
	CacheFrom []DescribedBackend `json:"cacheFrom,omitempty"`
	CacheTo   []DescribedBackend `json:"cacheTo,omitempty"`
	// Entitlements are what the build is allowed besides.
	Entitlements []string `json:"entitlements,omitempty"`
	// Mounts are the directories that the builder may read, by name.
	Mounts map[string]string `json:"mounts,omitempty"`
	// Layouts are the directories of oci-layout contexts, by store.
	Layouts map[string]string `json:"layouts,omitempty"`
	// Stdin is true where the context is the tar from standard input.
	Stdin bool `json:"stdin,omitempty"`
	// DockerfileURL is where the builder reads the Dockerfile, without credentials.
	DockerfileURL string `json:"dockerfileURL,omitempty"`
	// Secrets and SSH are the IDs of secrets and of SSH agents.
	Secrets []string `json:"secrets,omitempty"`
	SSH     []string `json:"ssh,omitempty"`
	// SourcePolicy is true where a source policy is sent.
	SourcePolicy bool `json:"sourcePolicy,omitempty"`
}

// DescribedOutput is one exporter of a Description.
type DescribedOutput struct {
	// Type is the name of the exporter.
	Type string `json:"type"`
	// Dest is where the result goes on the agent; absent for exporters that
	// write nothing there.
	Dest string `json:"dest,omitempty"`
	// Attributes are those of the exporter.
	Attributes map[string]string `json:"attributes,omitempty"`
}

// DescribedBackend is one cache of a Description.
type DescribedBackend struct {
	// Type is the name of the backend.
	Type string `json:"type"`
	// Attributes are those of the backend.
	Attributes map[string]string `json:"attributes,omitempty"`
}

// describeJob is what solveOptions would ask of BuildKit, made to be shown. With args,
// build arguments have their values but for those that look like secrets.
func describeJob(r Request, in inputs, job job.Job, exports []client.ExportEntry, args bool) Description {
	opt := solveOptions(r, in, job, exports)
	d := Description{
		Node:          job.Node,
		Frontend:      opt.Frontend,
		Attributes:    map[string]string{},
		BuildArgs:     map[string]string{},
		Labels:        map[string]string{},
		Outputs:       []DescribedOutput{},
		CacheFrom:     describeCaches(opt.CacheImports),
		CacheTo:       describeCaches(opt.CacheExports),
		Entitlements:  opt.AllowedEntitlements,
		Mounts:        maps.Clone(in.Mounts),
		Layouts:       maps.Clone(in.Layouts),
		Stdin:         in.ContextFile != "",
		DockerfileURL: redact(in.DockerfileURL),
		SourcePolicy:  in.SourcePolicy != nil,
	}
	for _, p := range job.Platforms {
		d.Platforms = append(d.Platforms, platforms.FormatAll(p))
	}
	for key, value := range opt.FrontendAttrs {
		if name, ok := strings.CutPrefix(key, "build-arg:"); ok {
			d.BuildArgs[name] = maskArg(name, value, args)
		} else if name, ok := strings.CutPrefix(key, "label:"); ok {
			d.Labels[name] = redact(value)
		} else {
			d.Attributes[key] = redact(value)
		}
	}
	for _, e := range exports {
		attrs := make(map[string]string, len(e.Attrs))
		for key, value := range e.Attrs {
			attrs[key] = redact(value)
		}
		d.Outputs = append(d.Outputs, DescribedOutput{Type: e.Type, Dest: e.OutputDir, Attributes: attrs})
	}
	for _, s := range r.Secrets {
		d.Secrets = append(d.Secrets, s.ID)
	}
	for _, s := range r.SSH {
		d.SSH = append(d.SSH, s.ID)
	}
	slices.Sort(d.Secrets)
	slices.Sort(d.SSH)
	return d
}

// Describe is the description of one job of the plan. Nothing is opened or
// written for it; args is that of describeJob. The error is that of an
// output that the job cannot have.
func (p *Plan) Describe(job job.Job, args bool) (Description, error) {
	exports, err := p.outputs.Entries(job)
	if err != nil {
		return Description{}, err
	}
	return describeJob(p.request, p.resolved(), job, exports, args), nil
}

func describeCaches(list []client.CacheOptionsEntry) []DescribedBackend {
	var out []DescribedBackend
	for _, e := range list {
		out = append(out, DescribedBackend{Type: e.Type, Attributes: cache.MaskAttrs(e.Attrs)})
	}
	return out
}

// masked stands in a description where a value is hidden.
const masked = "***"

// secretName is what an argument is called that holds a secret.
var secretName = regexp.MustCompile(`(?i)token|passw|secret|key|credential`)

// IsSecretName reports whether a build argument is called as if it held a secret.
func IsSecretName(name string) bool { return secretName.MatchString(name) }

// maskArg hides a build argument: unless it may be shown, and always when it
// looks like a secret by its name. That builds show their arguments elsewhere is
// no reason to spread one further.
func maskArg(name, value string, show bool) string {
	if value == "" || show && !IsSecretName(name) {
		return redact(value)
	}
	return masked
}
