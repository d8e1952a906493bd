package main

import (
	"fmt"
	"os"
	"path/filepath"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent"
	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/report"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/agent/solve/onfailure"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/cmd/slipway/buildref"
	"github.com/slipway-build/slipway/cmd/slipway/dockerimages"
	"github.com/slipway-build/slipway/cmd/slipway/tagging"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// buildCmd are the flags of docker buildx build, name for name. A list flag is
// given several times; commas belong to the value unless its help says else.
type buildCmd struct {
	Context string `arg:"" placeholder:"CONTEXT" help:"Directory, git URL, tarball URL, or - for a tarball or Dockerfile on standard input."`

	File          string    `short:"f" placeholder:"FILE" help:"Name of the Dockerfile, - for standard input (default: Dockerfile in the context)."`
	Target        string    `placeholder:"STAGE" help:"Stage to build."`
	Platform      []string  `sep:"none" env:"DOCKER_DEFAULT_PLATFORM" placeholder:"OS/ARCH" help:"Platforms to build for, comma-separated."`
	Tag           []string  `short:"t" sep:"none" placeholder:"REF" help:"Name of the image, such as registry.example/team/app:1."`
	Output        []string  `short:"o" sep:"none" placeholder:"OUTPUT" help:"Where the result goes: type=local|tar|oci|docker|image|registry|cacheonly[,dest=PATH][,KEY=VALUE], or just DIR."`
	OnFailure     []string  `sep:"none" placeholder:"dest=DIR,path=PATTERN" help:"Copy files of a step that fails, such as test reports, to the agent: dest=DIR,path=PATTERN[,path=PATTERN][,max=SIZE]. Without path its working directory is listed."`
	Push          bool      `help:"Shorthand for --output=type=registry."`
	Load          bool      `help:"Shorthand for --output=type=docker: into the Docker engine of DOCKER_HOST."`
	BuildArg      []string  `sep:"none" placeholder:"NAME[=VALUE]" help:"Build-time variable; without a value it is taken from the environment."`
	BuildContext  []string  `sep:"none" placeholder:"NAME=SOURCE" help:"Additional context: a path, git URL, docker-image://REF or oci-layout://PATH."`
	Label         []string  `sep:"none" placeholder:"NAME=VALUE" help:"Label of the image."`
	Annotation    []string  `sep:"none" placeholder:"[LEVEL:]KEY=VALUE" help:"Annotation of the image; levels are manifest (default), manifest-descriptor, index and index-descriptor."`
	Attest        []string  `sep:"none" placeholder:"type=TYPE[,KEY=VALUE]" help:"Attestation: type=provenance or type=sbom."`
	Provenance    string    `placeholder:"BOOL|mode=MODE" help:"Shorthand for --attest=type=provenance."`
	SBOM          string    `name:"sbom" placeholder:"BOOL|generator=IMAGE" help:"Shorthand for --attest=type=sbom."`
	CacheFrom     []string  `sep:"none" placeholder:"REF|type=TYPE[,KEY=VALUE]" help:"Cache to read: a registry reference, or type=registry, local, gha, s3 or azblob."`
	CacheTo       []string  `sep:"none" placeholder:"REF|type=TYPE[,KEY=VALUE]" help:"Cache to write, also type=inline."`
	Secret        []string  `sep:"none" placeholder:"SECRET" help:"Secret for RUN: id=ID[,src=FILE] or id=ID,env=VARIABLE."`
	SSH           []string  `name:"ssh" sep:"none" placeholder:"SSH" help:"SSH agent or keys for RUN: default or ID[=SOCKET|KEY,…]."`
	NoCache       bool      `help:"Do not use the cache."`
	NoCacheFilter []string  `sep:"none" placeholder:"STAGE" help:"Do not use the cache for these stages."`
	Pull          bool      `help:"Look for newer versions of all images that are referred to."`
	AddHost       []string  `sep:"none" placeholder:"HOST:IP" help:"Line of /etc/hosts for RUN."`
	Network       string    `placeholder:"MODE" help:"Network of RUN: default, none or host."`
	ShmSize       string    `placeholder:"BYTES" help:"Size of /dev/shm for RUN."`
	Ulimit        []string  `sep:"none" placeholder:"NAME=SOFT[:HARD]" help:"Limit for RUN."`
	CgroupParent  string    `placeholder:"CGROUP" help:"Parent cgroup of RUN."`
	Allow         []string  `sep:"none" placeholder:"ENTITLEMENT" help:"Allow network.host, security.insecure or device."`
	Drift         driftFlag `placeholder:"POLICY" env:"SLIPWAY_DRIFT" help:"What to do about a builder that is not as its definition says: warn, apply, fail or ignore (default: what the definition says, else warn)."`
	Progress      string    `default:"auto" env:"SLIPWAY_PROGRESS,BUILDKIT_PROGRESS" placeholder:"MODE" help:"Type of progress output: auto, plain, tty, rawjson, quiet, none."`
	RawOutput     bool      `env:"SLIPWAY_RAW_OUTPUT" help:"Print what the steps put out as it is: with control sequences, and with what a CI system takes for commands."`
	Quiet         bool      `short:"q" help:"Suppress the progress output; print the image ID, as --progress=quiet does."`

	Call  string `default:"build" placeholder:"METHOD" help:"Ask about the build instead: check, outline or targets, with ,format=json."`
	Check bool   `help:"Shorthand for --call=check: run the Dockerfile linter."`
	Print string `hidden:"" help:"Old name of --call."`
	timingFlags
	ciFlags
	tagging.From
	tagging.Flags
	RegistryAllow []string `sep:"none" env:"SLIPWAY_REGISTRY_ALLOW" placeholder:"HOST" help:"Registry whose credential builders may have although the build does not name it, such as a mirror. The variable holds one per line."`

	DryRun        bool `help:"Print what each node would be asked for, as JSON, and build nothing."`
	ShowBuildArgs bool `help:"Print the values of build arguments with --dry-run, but for those whose names look like a secret's."`
	platformFlags
	contextFlags
	resultFlags
	registryFlags

	limitFlags
	policyFlags
	legacyFlags
	imageFlags

	keeper keeper
	// executor is set where the command line was that of kaniko's executor.
	executor *executor
}

// Help is shown by --help.
func (c *buildCmd) Help() string {
	return "The flags are those of docker buildx build. The builders of the definition are started where they do not run, every platform is built on the node that claims it, what none claims on one of them, and the output appears when all of them have succeeded."
}

// Run builds.
func (c *buildCmd) Run(in *invocation) (err error) {
	told, err := c.tell(in)
	if err != nil {
		return err
	}
	defer func() { err = told.end(in, err) }()
	if err := c.keep(in); err != nil {
		return err
	}
	asked, err := c.parse(in)
	if err != nil {
		return err
	}
	definition, err := in.definition(in.global.Builder)
	if err != nil {
		return err
	}
	if err := c.complete(in, &asked.request, definition); err != nil {
		return err
	}
	if asked.mode == progress.RawJSON {
		in.secrets.tellNobody()
	}
	events, end := c.events(in)
	defer end()
	told.follow(events)
	clients := &fleet.Clients{Access: in.access(), Events: events.Emitter(), Log: in.log}
	if warning := c.warning(); warning != "" {
		in.log.Warn().Msg(warning)
	}
	definition = c.strict(definition)
	nodes := fleet.New(definition.WithDrift(configmap.Drift(c.Drift), configmap.DriftWarn), clients.Connector())
	defer nodes.Close()
	build := agent.Build{
		Fleet:      nodes,
		Events:     events,
		Request:    asked.request,
		Platforms:  asked.platforms,
		Provenance: asked.provenance,
		Terminal:   in.terminal,
		Mode:       asked.mode,
		Reporter: func(plain ci.Reporter) ci.Reporter {
			return asked.system.Reporter(plain, in.terminal, asked.system.Checkout(in.env.CI))
		},
		Steps:     c.steps(asked.system, asked.mode),
		RawOutput: c.RawOutput,
		Log:       in.log,
	}
	switch {
	case c.DryRun:
		return c.dryRun(in, build)
	case asked.call.Name != "":
		return c.ask(in, build, asked.call)
	}
	fork := asked.system.Fork(in.env.CI, readEvent)
	pushed := output.PushedNames(asked.request.Tags, asked.request.Outputs)
	if err := fork.Refused(in.ctx, asked.request.Keychain, pushed); err != nil {
		return err
	}
	if warning := fork.Warning(in.ctx, asked.request.Keychain, pushed); warning != "" {
		in.log.Warn().Msg(warning)
	}
	made, err := c.build(in, build)
	told.succeeded(made)
	return fork.Explain(err)
}

// asked is what the flags of a build ask for.
type asked struct {
	mode       progress.Mode
	system     ci.System // whose log it is; the zero System for none
	platforms  []ocispecs.Platform
	provenance buildkit.ProvenanceMode
	call       solve.Call // without a name it is a build
	request    solve.Request
}

// parse parses the flags, each group of which reports its own mistakes.
func (c *buildCmd) parse(in *invocation) (a asked, err error) {
	if a.mode, err = c.mode(in); err != nil {
		return a, err
	}
	if a.system, err = c.system(in); err != nil {
		return a, err
	}
	if err = c.addFromCI(in, a.system); err != nil {
		return a, err
	}
	if in.given["log-group"] && c.LogGroup && (a.mode == progress.TTY || a.mode == progress.RawJSON) {
		return a, &usageError{err: fmt.Errorf("--log-group and --progress=%s exclude each other", a.mode)}
	}
	a.mode = ableMode(a.mode, a.system, in.env.variable("TERM"))
	if a.platforms, err = parsePlatforms(in, c.Platform); err != nil {
		return a, &usageError{err: err}
	}
	if a.provenance, err = c.provenance(in); err != nil {
		return a, err
	}
	if a.call, err = c.call(); err != nil {
		return a, err
	}
	if a.request, err = c.request(in); err != nil {
		return a, err
	}
	if a.call.Name == "" {
		if err := c.checkImageID(a.request.Outputs); err != nil {
			return a, err
		}
	}
	a.request.PolicyDisabled, err = c.disabled()
	return a, err
}

// complete adds to a request what the builder's definition decides: where the
// result goes without a flag, and how registries are reached.
func (c *buildCmd) complete(in *invocation, r *solve.Request, definition configmap.Definition) error {
	if len(r.Outputs) == 0 && agent.DefaultLoad(definition) && !in.env.enabled("BUILDX_NO_DEFAULT_LOAD") {
		r.Outputs = output.ApplyLoad(nil)
	}
	insecure := output.InsecureRegistries(r.Tags, r.Outputs)
	client, err := in.registryClient(r.Keychain, insecure, definition)
	if err != nil {
		return err
	}
	r.Registry, r.Tokens = client, client
	return c.executor.ready(in, client, definition)
}

// build builds and writes down what came of it.
func (c *buildCmd) build(in *invocation, build agent.Build) (*report.Report, error) {
	files, err := c.open(in)
	if err != nil {
		return nil, err
	}
	build.Keep = c.keeper.keep()
	build.Redact = func(config []byte) ([]byte, bool) { return dockerimages.Redact(config, in.secrets.mask.String) }
	made, err := build.Run(in.ctx)
	if err != nil {
		return nil, err
	}
	c.executor.succeeded(made)
	if err := c.keeper.store(in.ctx, made); err != nil {
		return nil, err
	}
	if in.called.docker() {
		if err := buildref.Save(in.ctx, in.env.buildxDir(), made.Ref(), buildref.StateOf(in.workdir, c.Context, c.File)); err != nil {
			in.log.Debug().Err(err).Msg("nothing is kept for docker's actions") // an agent's home may be read-only
		}
	}
	// An archive that went to standard output ends with its last byte.
	if id := made.ImageID(); build.Mode == progress.Quiet && id != "" && !usesStdout(build.Request.Outputs) {
		if _, err := sanitize.Fprintln(in.out, id); err != nil {
			return nil, err
		}
	}
	return made, files.write(in.ctx, made, in.env.enabled("BUILDX_METADATA_WARNINGS"))
}

// ask prints the answer to a call.
func (c *buildCmd) ask(in *invocation, build agent.Build, call solve.Call) error {
	if c.Iidfile != "" {
		in.log.Warn().Msg("--iidfile is not written: " + call.Name + " makes no image")
	}
	c.warnOfOnFailure(in, call.Name+" builds nothing")
	metadata, err := in.openResult("--metadata-file", c.MetadataFile)
	if err != nil {
		return &usageError{err: err}
	}
	answer, err := build.Call(in.ctx, call)
	if err != nil {
		return err
	}
	if err := writeMetadata(in.ctx, metadata, answer.Metadata()); err != nil {
		return err
	}
	if err := answer.Print(in.output(call.Format), call.Format); err != nil {
		return err
	}
	if err := answer.Err(); err != nil {
		return fault.With(fault.ClassBuild, err)
	}
	return nil
}

// dryRun prints what a build would ask for.
func (c *buildCmd) dryRun(in *invocation, build agent.Build) error {
	if c.Iidfile != "" || c.MetadataFile != "" {
		in.log.Warn().Msg("--iidfile and --metadata-file are not written by --dry-run, which builds nothing")
	}
	c.warnOfOnFailure(in, "--dry-run builds nothing")
	requests, err := build.DryRun(in.ctx, c.ShowBuildArgs)
	if err != nil {
		return err
	}
	return in.printJSON(solve.DryRun{Builder: build.Fleet.Definition().Name, Solves: requests})
}

// warnOfOnFailure says that no step can fail.
func (c *buildCmd) warnOfOnFailure(in *invocation, why string) {
	if len(c.OnFailure) > 0 {
		in.log.Warn().Msg(onfailure.Flag + " has no effect: " + why)
	}
}

// call is what --call, --check and --print say.
func (c *buildCmd) call() (solve.Call, error) {
	value := c.Call
	if c.Print != "" {
		value = c.Print
	}
	if c.Check {
		value = "check"
	}
	call, err := solve.ParseCall(value)
	if err != nil {
		return call, &usageError{err: err}
	}
	switch { // the names are those of docker buildx
	case c.File == "-":
		call.Dockerfile = "stdin"
	case c.File != "":
		call.Dockerfile = c.File
	case isDirectory(c.Context):
		call.Dockerfile = filepath.Join(c.Context, "Dockerfile")
	}
	return call, nil
}

// provenance is what is asked of the builders for the metadata file.
func (c *buildCmd) provenance(in *invocation) (buildkit.ProvenanceMode, error) {
	if c.MetadataFile == "" {
		return "", nil
	}
	mode, err := buildkit.ParseProvenanceMode(in.env.variable("BUILDX_METADATA_PROVENANCE"))
	if err != nil {
		return "", &usageError{err: err}
	}
	return mode, nil
}

func (c *buildCmd) mode(in *invocation) (progress.Mode, error) {
	mode, err := progress.ParseMode(c.Progress)
	if err != nil {
		return "", &usageError{err: fmt.Errorf("--progress: %w", err)}
	}
	if !c.Quiet {
		return mode, nil
	}
	if in.given["progress"] && mode != progress.Auto && mode != progress.Quiet && mode != progress.None {
		return "", &usageError{err: fmt.Errorf("--quiet and --progress=%s exclude each other", mode)}
	}
	return progress.Quiet, nil
}

// spec are the flags that shape a solve.
func (c *buildCmd) spec() solve.Spec {
	return solve.Spec{
		Context:       c.Context,
		Dockerfile:    c.File,
		Target:        c.Target,
		Platforms:     c.Platform,
		Tags:          c.Tag,
		Outputs:       c.Output,
		OnFailure:     c.OnFailure,
		Push:          c.Push,
		Load:          c.Load,
		BuildArgs:     c.BuildArg,
		BuildContexts: c.BuildContext,
		Labels:        c.Label,
		Annotations:   c.Annotation,
		Attests:       c.Attest,
		Provenance:    c.Provenance,
		SBOM:          c.SBOM,
		CacheFrom:     c.CacheFrom,
		CacheTo:       c.CacheTo,
		Secrets:       c.Secret,
		SSH:           c.SSH,
		NoCache:       c.NoCache,
		NoCacheFilter: c.NoCacheFilter,
		Pull:          c.Pull,
		ExtraHosts:    c.AddHost,
		Network:       c.Network,
		ShmSize:       c.ShmSize,
		Ulimits:       c.Ulimit,
		CgroupParent:  c.CgroupParent,
		Resources:     c.resources(),
		Allow:         c.Allow,
		RegistryAllow: c.RegistryAllow,
		ContextKey:    c.ContextKey,
		ContextMtime:  c.ContextMtime,
	}
}

// request makes the request of the flags; all mistakes are reported at once.
func (c *buildCmd) request(in *invocation) (solve.Request, error) { return c.requestOf(in, c.spec()) }

// requestOf makes the request of a spec, with what the flags say beside it.
func (c *buildCmd) requestOf(in *invocation, spec solve.Spec) (solve.Request, error) {
	keychain, err := in.keychain(c.registryFlags, pushedNames(spec.Tags, spec.Outputs))
	if err != nil {
		return solve.Request{}, err
	}
	r, mistakes := spec.Request(solve.Surroundings{
		WorkDir:        in.workdir,
		Home:           in.env.Home,
		Files:          in.files,
		Stdout:         in.data,
		StdoutTerminal: isTerminal(in.data),
		Lookup:         in.env.lookup,
		Environ:        os.Environ(),
		Proxy:          in.proxies(),
	})
	r.Keychain = keychain
	r.OnSecret = func(value string) { in.secrets.hideValues(value) }
	for name, value := range r.BuildArgs { // BuildKit names steps with them filled in
		if solve.IsSecretName(name) {
			in.secrets.hideValues(value)
		}
	}
	if err := c.setContext(&r, in); err != nil {
		return solve.Request{}, err
	}
	if mistakes != nil {
		return solve.Request{}, &usageError{err: mistakes}
	}
	return r, nil
}
