package historyview

import (
	"encoding/csv"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/platforms"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// Inspection is a build as docker buildx history inspect --format=json has it, key for
// key, and its node and pod
// (https://github.com/docker/buildx/blob/v0.38.2/commands/history/inspect.go).
type Inspection struct {
	// Name is that of slipway history ls.
	Name string `json:"Name,omitempty"`
	// Ref is the ID of the build.
	Ref string `json:"Ref"`
	// Context and Dockerfile are paths or URLs, as far as they are known.
	Context    string `json:"Context,omitempty"`
	Dockerfile string `json:"Dockerfile,omitempty"`
	// VCSRepository and VCSRevision are the git repository and the commit of the
	// context.
	VCSRepository string `json:"VCSRepository,omitempty"`
	VCSRevision   string `json:"VCSRevision,omitempty"`
	// Target is the stage that was built.
	Target string `json:"Target,omitempty"`
	// Platform are the platforms that were asked for.
	Platform []string `json:"Platform,omitempty"`
	// KeepGitDir is true where the context kept its .git directory.
	KeepGitDir bool `json:"KeepGitDir,omitempty"`
	// NamedContexts are those of --build-context.
	NamedContexts []KeyValue `json:"NamedContexts,omitempty"`
	// StartedAt and CompletedAt are by the clock of the pod; CompletedAt is absent
	// while the build runs. Duration is in ns.
	StartedAt   *time.Time    `json:"StartedAt,omitempty"`
	CompletedAt *time.Time    `json:"CompletedAt,omitempty"`
	Duration    time.Duration `json:"Duration,omitempty"`
	// Status is running, completed, failed or canceled.
	Status string `json:"Status,omitempty"`
	// Error is absent where the build has not failed.
	Error *Failure `json:"Error,omitempty"`
	// NumCompletedSteps, NumTotalSteps and NumCachedSteps count the steps.
	NumCompletedSteps int32 `json:"NumCompletedSteps"`
	NumTotalSteps     int32 `json:"NumTotalSteps"`
	NumCachedSteps    int32 `json:"NumCachedSteps"`
	// BuildArgs and Labels are those of the build, sorted by name.
	BuildArgs []KeyValue `json:"BuildArgs,omitempty"`
	Labels    []KeyValue `json:"Labels,omitempty"`
	// Config is how the build was configured.
	Config Config `json:"Config"`
	// Materials are what the build was made of, by its provenance.
	Materials []Material `json:"Materials,omitempty"`
	// Attachments are what the builder keeps of the result.
	Attachments []Attachment `json:"Attachments,omitempty"`
	// Errors are what of the record cannot be read.
	Errors []string `json:"Errors,omitempty"`
	// Node and Pod are where the build was; the driver remote has no pod.
	Node string `json:"Node"`
	Pod  string `json:"Pod,omitempty"`

	fullRef, codeName string
}

// KeyValue is a name and its value.
type KeyValue struct {
	// Name and Value are as BuildKit was given them.
	Name  string `json:"Name,omitempty"`
	Value string `json:"Value,omitempty"`
}

// Config is how a build was configured.
type Config struct {
	// Network, ExtraHosts, Hostname and CgroupParent are those of the containers of RUN.
	Network      string   `json:"Network,omitempty"`
	ExtraHosts   []string `json:"ExtraHosts,omitempty"`
	Hostname     string   `json:"Hostname,omitempty"`
	CgroupParent string   `json:"CgroupParent,omitempty"`
	// ImageResolveMode is pull where --pull was given.
	ImageResolveMode string `json:"ImageResolveMode,omitempty"`
	// MultiPlatform is true for an index although there is one platform.
	MultiPlatform bool `json:"MultiPlatform,omitempty"`
	// NoCache is true for a build without cache, NoCacheFilter are the stages without.
	NoCache       bool     `json:"NoCache,omitempty"`
	NoCacheFilter []string `json:"NoCacheFilter,omitempty"`
	// ShmSize, Ulimit, Memory, MemorySwap, CPUShares, CPUPeriod, CPUQuota, CPUSetCPUs and
	// CPUSetMems are limits of the containers of RUN.
	ShmSize    string `json:"ShmSize,omitempty"`
	Ulimit     string `json:"Ulimit,omitempty"`
	Memory     string `json:"Memory,omitempty"`
	MemorySwap string `json:"MemorySwap,omitempty"`
	CPUShares  string `json:"CPUShares,omitempty"`
	CPUPeriod  string `json:"CPUPeriod,omitempty"`
	CPUQuota   string `json:"CPUQuota,omitempty"`
	CPUSetCPUs string `json:"CPUSetCPUs,omitempty"`
	CPUSetMems string `json:"CPUSetMems,omitempty"`
	// CacheMountNS is the namespace of cache mounts.
	CacheMountNS string `json:"CacheMountNS,omitempty"`
	// DockerfileCheckConfig is that of the Dockerfile linter.
	DockerfileCheckConfig string `json:"DockerfileCheckConfig,omitempty"`
	// SourceDateEpoch is the time of the files of the result, in seconds.
	SourceDateEpoch string `json:"SourceDateEpoch,omitempty"`
	// SandboxHostname is the hostname of the containers of RUN.
	SandboxHostname string `json:"SandboxHostname,omitempty"`
	// RestRaw are all other attributes, as BuildKit was given them.
	RestRaw []KeyValue `json:"RestRaw,omitempty"`
}

// Material is an image, a repository or a file.
type Material struct {
	// URI names it; Digests are as "sha256:…".
	URI     string   `json:"URI,omitempty"`
	Digests []string `json:"Digests,omitempty"`
}

// Attachment is what a builder keeps of a result.
type Attachment struct {
	// Digest is that of its content.
	Digest string `json:"Digest,omitempty"`
	// Platform is absent where the result is not divided by platform.
	Platform string `json:"Platform,omitempty"`
	// Type is the type of an attestation's predicate, else a media type.
	Type string `json:"Type,omitempty"`
}

// Failure is why a build has failed.
type Failure struct {
	// Code is gRPC's number of the error, Message its text.
	Code    int    `json:"Code,omitempty"`
	Message string `json:"Message,omitempty"`
	// Name is the failed step, Logs the last lines of its log.
	Name string   `json:"Name,omitempty"`
	Logs []string `json:"Logs,omitempty"`
	// Sources are the lines of the Dockerfile, Stack is the builder's; both are in
	// base64.
	Sources []byte `json:"Sources,omitempty"`
	Stack   []byte `json:"Stack,omitempty"`
}

// Inspect describes a build. Paths below workdir become relative to it.
func Inspect(d builders.BuildDetails, local Local, workdir string) Inspection {
	out := Inspection{
		Name: nameOf(d.PodBuild, local), Ref: d.Ref, Node: d.Node, Pod: d.Pod, fullRef: d.FullRef(), codeName: d.CodeName,
		NumCompletedSteps: d.CompletedSteps, NumTotalSteps: d.TotalSteps, NumCachedSteps: d.CachedSteps,
	}
	attrs := attributes{left: maps.Clone(d.Attrs)}
	if attrs.left == nil {
		attrs.left = map[string]string{}
	}
	delete(attrs.left, "frontend.caps")
	out.Context, out.Dockerfile = attrs.sources(local, workdir)
	out.VCSRepository, out.VCSRevision = sanitize.RedactURLs(attrs.left["vcs:source"]), attrs.left["vcs:revision"]
	out.Target = attrs.take("target")
	out.Platform = attrs.platforms(d.Platform)
	out.KeepGitDir = attrs.takeBool("build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR")
	out.NamedContexts = attrs.withPrefix("context:")
	out.setTimes(d)
	out.setFailure(d)
	out.BuildArgs = attrs.withPrefix("build-arg:")
	out.Labels = attrs.withPrefix("label:")
	out.Config = attrs.config()
	for _, m := range d.Materials {
		out.Materials = append(out.Materials, Material{URI: sanitize.RedactURLs(m.URI), Digests: m.Digests})
	}
	for _, a := range d.Attachments {
		out.Attachments = append(out.Attachments, Attachment{Digest: a.Digest, Platform: a.Platform, Type: a.Type})
	}
	out.Errors = attrs.errors
	return out
}

func (i *Inspection) setTimes(d builders.BuildDetails) {
	if at := d.CreatedAt.Local(); !d.CreatedAt.IsZero() {
		i.StartedAt = &at
	}
	i.Status = "running"
	if at := d.CompletedAt.Local(); !d.CompletedAt.IsZero() {
		i.CompletedAt, i.Status = &at, "completed"
	}
	if i.StartedAt != nil {
		i.Duration, _ = d.Duration()
	}
}

func (i *Inspection) setFailure(d builders.BuildDetails) {
	switch {
	case d.Cancelled:
		i.Status = "canceled"
	case d.Failed:
		i.Status = "failed"
	case d.Failure == nil:
		return
	}
	i.Error = &Failure{Code: d.Code, Message: d.Message}
	if f := d.Failure; f != nil {
		i.Error.Name, i.Error.Logs, i.Error.Sources, i.Error.Stack = f.Step, f.Logs, f.Sources, f.Stack
	}
}

// attributes are those of the frontend; left are the ones that have no place yet.
type attributes struct {
	left   map[string]string
	errors []string
}

func (a *attributes) take(key string) string {
	value := a.left[key]
	delete(a.left, key)
	return value
}

func (a *attributes) takeBool(key string) bool {
	text, ok := a.left[key]
	delete(a.left, key)
	if !ok {
		return false
	}
	value, err := strconv.ParseBool(text)
	a.note(text, err)
	return value
}

// note keeps why a value cannot be read.
func (a *attributes) note(value string, err error) {
	if err != nil {
		a.errors = append(a.errors, fmt.Sprintf("failed to parse %s: (%v)", value, err))
	}
}

// sources are context and Dockerfile, as paths of this machine where they are known.
func (a *attributes) sources(local Local, workdir string) (context, dockerfile string) {
	context, dockerfile = local.Context, local.Dockerfile
	if dockerfile != "" && dockerfile != "-" {
		dockerfile = below(context, dockerfile)
	}
	if context == "" {
		context = sanitize.RedactURLs(a.take("context"))
	} else {
		context = below(workdir, context)
	}
	filename := a.take("filename")
	if dockerfile == "" && filename != "" {
		dockerfile = filepath.Join(a.left["vcs:localdir:dockerfile"], filename)
	}
	return context, dockerfile
}

// below is the path relative to a directory that it is in, else as it is.
func below(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// platforms are those that were asked for; a build that asked for none in particular
// has the builder's own.
func (a *attributes) platforms(own string) []string {
	text, ok := a.left["platform"]
	delete(a.left, "platform")
	if !ok {
		return nil
	}
	var list []string
	for name := range strings.SplitSeq(text, ",") {
		p, err := platforms.Parse(name)
		if err != nil {
			a.note(text, err)
			return nil
		}
		list = append(list, platforms.FormatAll(platforms.Normalize(p)))
	}
	if len(list) == 0 {
		return []string{own}
	}
	return list
}

// withPrefix are the attributes with a prefix, without it, sorted by name.
func (a *attributes) withPrefix(prefix string) []KeyValue {
	var list []KeyValue
	for _, key := range slices.Sorted(maps.Keys(a.left)) {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			list = append(list, KeyValue{name, sanitize.RedactURLs(a.left[key])})
		}
	}
	return list
}

func (a *attributes) config() Config {
	c := Config{
		Network:               a.take("force-network-mode"),
		Hostname:              a.take("hostname"),
		CgroupParent:          a.take("cgroup-parent"),
		ImageResolveMode:      a.take("image-resolve-mode"),
		ShmSize:               a.take("shm-size"),
		Ulimit:                a.take("ulimit"),
		Memory:                a.take("memory"),
		MemorySwap:            a.take("memswap"),
		CPUShares:             a.take("cpushares"),
		CPUPeriod:             a.take("cpuperiod"),
		CPUQuota:              a.take("cpuquota"),
		CPUSetCPUs:            a.take("cpusetcpus"),
		CPUSetMems:            a.take("cpusetmems"),
		CacheMountNS:          a.take("build-arg:BUILDKIT_CACHE_MOUNT_NS"),
		DockerfileCheckConfig: a.take("build-arg:BUILDKIT_DOCKERFILE_CHECK"),
		SourceDateEpoch:       a.take("build-arg:SOURCE_DATE_EPOCH"),
		SandboxHostname:       a.take("build-arg:SANDBOX_HOSTNAME"),
	}
	byArgument := a.takeBool("build-arg:BUILDKIT_MULTI_PLATFORM")
	c.MultiPlatform = a.takeBool("multi-platform") || byArgument
	if stages, ok := a.left["no-cache"]; ok {
		if c.NoCache = stages == ""; !c.NoCache {
			c.NoCacheFilter = strings.Split(stages, ",")
		}
		delete(a.left, "no-cache")
	}
	if hosts := a.take("add-hosts"); hosts != "" {
		fields, err := csv.NewReader(strings.NewReader(hosts)).Read()
		a.note(hosts, err)
		c.ExtraHosts = fields
	}
	for _, key := range slices.Sorted(maps.Keys(a.left)) {
		if prefix, _, _ := strings.Cut(key, ":"); prefix != key && slices.Contains(shownElsewhere, prefix) {
			continue
		}
		c.RestRaw = append(c.RestRaw, KeyValue{key, sanitize.RedactURLs(a.left[key])})
	}
	return c
}

// shownElsewhere are prefixes of attributes that have a place of their own.
var shownElsewhere = []string{"vcs", "build-arg", "label", "context", "attest"}
