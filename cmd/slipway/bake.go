package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/platforms"

	"github.com/slipway-build/slipway/agent"
	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/bake"
	"github.com/slipway-build/slipway/cmd/slipway/baking"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
)

// bakeCmd are the flags of docker buildx bake, name for name.
type bakeCmd struct {
	Targets []string `arg:"" name:"target" optional:"" help:"Targets, groups or patterns of them (default: default)."`

	File         []string  `short:"f" sep:"none" placeholder:"FILE" help:"Bake file in HCL or JSON, or compose file; - for standard input (default: those of the usual names that are here)."`
	Set          []string  `sep:"none" placeholder:"TARGET.KEY=VALUE" help:"Set a key of targets; += adds to it. TARGET may be a pattern."`
	Var          []string  `sep:"none" placeholder:"NAME=VALUE" help:"Value of a variable of the file."`
	Push         bool      `help:"Push all targets that are images."`
	Load         bool      `help:"Load all targets that are images into the Docker engine of DOCKER_HOST."`
	NoCache      *bool     `negatable:"" help:"Do not use the cache."`
	Pull         *bool     `negatable:"" help:"Look for newer versions of all images that are referred to."`
	Provenance   string    `placeholder:"BOOL|mode=MODE" help:"Shorthand for --set=*.attest=type=provenance."`
	SBOM         string    `name:"sbom" placeholder:"BOOL|generator=IMAGE" help:"Shorthand for --set=*.attest=type=sbom."`
	Allow        []string  `sep:"none" placeholder:"PRIVILEGE" help:"Allow what the file asks for: network.host, security.insecure, device, ssh, fs=PATH, fs.read=PATH or fs.write=PATH."`
	MetadataFile string    `placeholder:"FILE" help:"Write what was built, as JSON, by target."`
	Print        bool      `help:"Print what would be built, as JSON, and build nothing."`
	List         string    `placeholder:"targets|variables" help:"Print what the file defines; with ,format=json as JSON."`
	Jobs         string    `short:"j" default:"fail-fast" placeholder:"N|MODE" help:"Builds at the same time, and what a failure does: fail-fast ends the others, defer-error does not; with ,parallel=N."`
	KeepGoing    bool      `help:"Build the other targets to their end when one has failed, as --jobs=defer-error does."`
	Drift        driftFlag `placeholder:"POLICY" env:"SLIPWAY_DRIFT" help:"What to do about a builder that is not as its definition says: warn, apply, fail or ignore (default: what the definition says, else warn)."`
	Progress     string    `default:"auto" env:"SLIPWAY_PROGRESS,BUILDKIT_PROGRESS" placeholder:"MODE" help:"Type of progress output: auto, plain, tty, rawjson, quiet, none."`
	RawOutput    bool      `env:"SLIPWAY_RAW_OUTPUT" help:"Print what the steps put out as it is: with control sequences, and with what a CI system takes for commands."`
	timingFlags
	ciFlags
	RegistryAllow []string `sep:"none" env:"SLIPWAY_REGISTRY_ALLOW" placeholder:"HOST" help:"Registry whose credential builders may have although no target names it, such as a mirror. The variable holds one per line."`
	platformFlags
	contextFlags
	registryFlags
}

// Help is shown by --help.
func (c *bakeCmd) Help() string {
	return "The flags and files are those of docker buildx bake. All targets are built at once, on the pods of one builder; a target that is a context of others is built once on each pod that needs it."
}

// Run builds.
func (c *bakeCmd) Run(in *invocation) error {
	plan, err := c.plan(in)
	if err != nil || plan == nil {
		return err
	}
	if c.Print {
		return in.printJSON(plan)
	}
	return c.build(in, plan)
}

// plan evaluates the files; nil where something of them was listed.
func (c *bakeCmd) plan(in *invocation) (*bake.Plan, error) {
	if c.Print && c.List != "" {
		return nil, &usageError{err: errors.New("--print and --list exclude each other")}
	}
	config, err := c.config(in)
	if err != nil {
		return nil, &usageError{err: err}
	}
	if c.List != "" {
		if err := baking.List(in.out, in.json, c.List, config); err != nil {
			return nil, &usageError{err: err}
		}
		return nil, nil
	}
	targets := c.Targets
	if len(targets) == 0 {
		targets = []string{"default"}
	}
	plan, err := config.Plan(targets, c.overrides())
	if err == nil {
		err = plan.Locate()
	}
	if err != nil {
		return nil, &usageError{err: err}
	}
	return plan, nil
}

// config reads and evaluates the files.
func (c *bakeCmd) config(in *invocation) (*bake.Config, error) {
	if len(c.Targets) > 0 && bake.IsRemote(c.Targets[0]) {
		return nil, &fault.Usage{Flag: "target", Value: c.Targets[0], Problem: "bake files of a URL are not read", Hint: "check the repository out, and run slipway bake in it"}
	}
	if in.env.enabled("BUILDX_BAKE_FILE_RELATIVE_PATHS") {
		return nil, &fault.Usage{Flag: "BUILDX_BAKE_FILE_RELATIVE_PATHS", Value: "true", Problem: "paths are relative to the current directory only", Hint: "run slipway bake in the directory of the file"}
	}
	names := c.File
	if len(names) == 0 {
		names = baking.Names(in.env.variable("BUILDX_BAKE_FILE"), in.env.variable("BUILDX_BAKE_PATH_SEPARATOR"))
	}
	files, err := baking.Read(in.files, names)
	if err != nil {
		return nil, err
	}
	variables, err := baking.Variables(c.Var)
	if err != nil {
		return nil, err
	}
	input := bake.Input{
		Files:    files,
		Vars:     variables,
		Builtins: map[string]string{"BAKE_CMD_CONTEXT": "cwd://", "BAKE_LOCAL_PLATFORM": platforms.Format(platforms.DefaultSpec())},
	}
	if !in.env.enabled("BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP") {
		input.Environment = os.Environ()
	}
	if dotEnv, err := in.files.Read(filepath.Join(in.workdir, ".env"), source.MaxConfig); err == nil {
		input.DotEnv = dotEnv
	}
	input.ReadFile = func(path string) ([]byte, error) { return in.files.Read(path, bake.MaxFile) }
	return bake.Parse(input)
}

// overrides are the values of --set, and the flags that are short for some.
func (c *bakeCmd) overrides() []string {
	all := slices.Clone(c.Set)
	if c.Push {
		all = append(all, "*.push=true")
	}
	if c.Load {
		all = append(all, "*.load=true")
	}
	if c.NoCache != nil {
		all = append(all, fmt.Sprintf("*.no-cache=%t", *c.NoCache))
	}
	if c.Pull != nil {
		all = append(all, fmt.Sprintf("*.pull=%t", *c.Pull))
	}
	if c.SBOM != "" {
		all = append(all, "*.attest="+bake.AttestFlag("sbom", c.SBOM))
	}
	if c.Provenance != "" {
		all = append(all, "*.attest="+bake.AttestFlag("provenance", c.Provenance))
	}
	return all
}

// allowed refuses what the file asks for and nobody has allowed.
func (c *bakeCmd) allowed(in *invocation, plan *bake.Plan) error {
	privileges, err := bake.ParsePrivileges(c.Allow)
	if err != nil {
		return &usageError{err: err}
	}
	_, decided := in.env.lookup("BUILDX_BAKE_ENTITLEMENTS_FS")
	files := !decided || in.env.enabled("BUILDX_BAKE_ENTITLEMENTS_FS")
	missing := privileges.Missing(plan, in.workdir, files, in.env.lookup)
	if len(missing) == 0 {
		return nil
	}
	for i, value := range missing {
		missing[i] = "--allow=" + value
	}
	return &usageError{err: errors.New("the bake file asks for more than it may by itself"), hints: []string{"if that is meant: " + strings.Join(missing, " ")}}
}

// build builds the targets of a plan.
func (c *bakeCmd) build(in *invocation, plan *bake.Plan) error {
	if err := c.allowed(in, plan); err != nil {
		return err
	}
	parallel, keepGoing, err := baking.Parallel(c.Jobs)
	if err != nil {
		return &usageError{err: err}
	}
	flags := &buildCmd{Progress: c.Progress, ciFlags: c.ciFlags, contextFlags: c.contextFlags, registryFlags: c.registryFlags, resultFlags: resultFlags{MetadataFile: c.MetadataFile}}
	mode, err := flags.mode(in)
	if err != nil {
		return err
	}
	system, err := c.system(in)
	if err != nil {
		return err
	}
	definition, err := in.definition(in.global.Builder)
	if err != nil {
		return err
	}
	targets, err := c.targets(in, plan, definition, flags)
	if err != nil {
		return err
	}
	metadata, err := in.openResult("--metadata-file", c.MetadataFile)
	if err != nil {
		return &usageError{err: err}
	}
	mode = ableMode(mode, system, in.env.variable("TERM"))
	clients := &fleet.Clients{Access: in.access(), Log: in.log}
	nodes := fleet.New(c.strict(definition).WithDrift(configmap.Drift(c.Drift), configmap.DriftWarn), clients.Connector())
	defer nodes.Close()
	baked, err := agent.Bake{
		Build: agent.Build{
			Fleet: nodes, Terminal: in.terminal, Mode: mode, RawOutput: c.RawOutput, Log: in.log,
			Steps: flags.steps(system, mode),
			Reporter: func(plain ci.Reporter) ci.Reporter {
				return system.Reporter(plain, in.terminal, system.Checkout(in.env.CI))
			},
		},
		Targets: targets, Parallel: parallel, KeepGoing: keepGoing || c.KeepGoing,
	}.Run(in.ctx)
	made := map[string]any{}
	for _, t := range baked {
		if t.Report != nil {
			made[t.Name] = t.Report.Metadata(false)
		}
	}
	if err != nil && !c.KeepGoing && !keepGoing {
		return err
	}
	return errors.Join(err, writeMetadata(in.ctx, metadata, made))
}

// targets are the builds of a plan; all mistakes are reported at once.
func (c *bakeCmd) targets(in *invocation, plan *bake.Plan, definition configmap.Definition, flags *buildCmd) ([]agent.Target, error) {
	if mode := progress.Mode(c.Progress); mode == progress.RawJSON {
		in.secrets.tellNobody()
	}
	provenance, err := flags.provenance(in)
	if err != nil {
		return nil, err
	}
	var all []agent.Target
	var mistakes fault.List
	for _, name := range slices.Sorted(maps.Keys(plan.Targets)) {
		of := plan.Targets[name]
		t := agent.Target{Name: name, Linked: of.Linked, Provenance: provenance}
		fail := func(err error) { mistakes = append(mistakes, fault.Prefixed("target "+name, err)) }
		spec, links, err := baking.Spec(of)
		if err != nil {
			fail(err)
			continue
		}
		t.Links = links
		spec.RegistryAllow, spec.ContextKey, spec.ContextMtime = c.RegistryAllow, c.ContextKey, c.ContextMtime
		if call := of.Call; call != nil && *call != "" && *call != "build" {
			fail(&fault.Usage{Flag: "call", Value: *call, Problem: "a bake file's targets are built only"})
			continue
		}
		if len(of.Policy) > 0 && !of.PolicyDisabled() {
			fail(&fault.Usage{Flag: "policy", Problem: "policies in Rego are not evaluated by slipway", Hint: "--set '*.policy=disabled=true' builds without"})
			continue
		}
		if t.Platforms, err = solve.ParsePlatforms(of.Platforms); err != nil {
			fail(err)
			continue
		}
		if t.Request, err = flags.requestOf(in, spec); err != nil {
			fail(err)
			continue
		}
		t.Request.PolicyDisabled = of.PolicyDisabled()
		if err := flags.complete(in, &t.Request, definition); err != nil {
			fail(err)
			continue
		}
		all = append(all, t)
	}
	if len(mistakes) > 0 {
		return nil, &usageError{err: mistakes}
	}
	return all, nil
}
