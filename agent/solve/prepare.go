package solve

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	buildsession "github.com/moby/buildkit/session"

	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/agent/solve/session"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// Plan is a request whose local side has been checked and opened. It serves
// any number of solves; Close must be called whatever happens.
type Plan struct {
	request Request
	inputs  Inputs
	mounts  map[string]contextfs.Mount
	mtime   contextfs.MtimeMode // contextfs.MtimeKeep or contextfs.MtimeContent; empty without directories
	sums    *contextfs.Sums     // nil without directories
	secrets buildsession.Attachable
	ssh     *session.SSHServer
	outputs *output.Set
	temp    *target.Staging // nil when nothing was spooled
	git     *gitTask        // nil when there is nothing to ask
	keys    []contextKey
	hosts   *session.Hosts

	warnings []string
	notes    []string
}

// Warnings are things that work but are probably not meant, one line each.
func (p *Plan) Warnings() []string { return p.warnings }

// Notes say what was decided and may be worth knowing, one line each.
func (p *Plan) Notes() []string { return p.notes }

// Affinity identifies what is built: its context, wherever the agent has it,
// and its target. Builds of the same thing find their cache on the same pod.
func (p *Plan) Affinity() string {
	in := p.resolved()
	if in.SharedKey == "" { // standard input
		return contextfs.SharedKey(p.request.Target)
	}
	return contextfs.SharedKey(in.SharedKey, p.request.Target)
}

// Close removes staging and temporary files.
func (p *Plan) Close() error {
	p.git.stop()
	for _, k := range p.keys {
		k.git.stop()
	}
	var errs []error
	errs = append(errs, p.outputs.Close())
	if p.sums != nil {
		// Without it the next build reads more; that is no reason to fail.
		_ = p.sums.Keep()
	}
	if p.temp != nil {
		errs = append(errs, p.temp.Remove())
	}
	return errors.Join(errs...)
}

// preparation is a plan in the making.
type preparation struct {
	*Plan
	mistakes   fault.UsageList
	contextDir string         // set for a context that is a local directory
	remote     bool           // the context is a URL
	streamed   bool           // the context came through a pipe
	named      []BuildContext // local directories of --build-context, absolute
	caps       []string       // what the frontend must know
}

// Prepare checks a request and opens what it needs on the agent. It touches
// no network: whether a URL can be fetched shows in the solve. All mistakes
// that can be found are reported at once, as a fault.UsageList.
func Prepare(ctx context.Context, r Request) (*Plan, error) {
	p := &preparation{Plan: &Plan{
		request: r,
		inputs: Inputs{
			Attrs:   map[string]string{},
			Mounts:  map[string]string{},
			Layouts: map[string]string{},
		},
	}}
	p.checkFlags()
	p.checkText()
	p.resolveContext()
	p.resolveDockerfile()
	p.resolveContexts()
	p.checkLinks()
	p.resolveMtime()
	p.resolveKeys()
	p.askGit(ctx)
	p.resolveSecrets()
	p.resolveSSH(ctx)
	p.resolveCaches()
	p.warnAttests()
	p.openOutputs(ctx)
	p.readEnvironment()
	p.hosts = p.findNamedHosts()
	p.openMounts()
	if len(p.caps) > 0 {
		slices.Sort(p.caps)
		p.inputs.Attrs[attrFrontendCaps] = strings.Join(slices.Compact(p.caps), ",")
	}
	err := p.mistakes.Err()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		return p.Plan, nil
	}
	if closeErr := p.Close(); closeErr != nil {
		return nil, errors.Join(err, closeErr)
	}
	return nil, err
}

// checkFlags finds flags that contradict each other.
func (p *preparation) checkFlags() {
	if p.request.NoCache && len(p.request.NoCacheFilter) > 0 {
		p.mistakes.Add(&fault.Usage{Flag: "--no-cache", Problem: "cannot be used together with --no-cache-filter"})
	}
	if syntax, ok := p.request.BuildArgs[argSyntax]; ok && strings.TrimSpace(syntax) == "" {
		p.mistakes.Add(&fault.Usage{Flag: "--build-arg", Value: argSyntax + "=", Problem: "is empty", Hint: "leave the = out to take the value of the environment if there is one"})
	}
}

// checkText finds values that are no text: BuildKit's protocol takes UTF-8 only,
// and its library says neither what is wrong nor where.
func (p *preparation) checkText() {
	check := func(flag, name, value string) {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			p.mistakes.Add(&fault.Usage{Flag: flag, Value: name, Problem: "is not valid UTF-8", Hint: "convert it, for example with iconv, or leave it out"})
		}
	}
	r := p.request
	check("--target", r.Target, "")
	for _, name := range slices.Sorted(maps.Keys(r.BuildArgs)) {
		check("--build-arg", name, r.BuildArgs[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		check("--label", name, r.Labels[name])
	}
}

func (p *preparation) resolveSecrets() {
	secrets, warnings, mistakes := session.OpenSecrets(p.request.Secrets, p.request.Files, p.request.lookup, p.request.OnSecret)
	p.secrets = secrets
	p.warnings = append(p.warnings, warnings...)
	p.mistakes = append(p.mistakes, mistakes...)
}

func (p *preparation) resolveSSH(ctx context.Context) {
	list := p.request.SSH
	if len(list) == 0 && isGitSSH(p.request.Context) {
		list = []session.SSH{{ID: "default"}}
	}
	server, mistakes := session.OpenSSH(ctx, list, p.request.Files, p.request.lookup)
	p.ssh = server
	p.mistakes = append(p.mistakes, mistakes...)
}

func (p *preparation) resolveCaches() {
	resolved, warnings, mistakes := p.request.caches().Resolve(p.request.WorkDir, p.request.lookup)
	p.request.CacheFrom, p.request.CacheTo = resolved.From, resolved.To
	p.warnings = append(p.warnings, warnings...)
	p.mistakes = append(p.mistakes, mistakes...)
}

func (p *preparation) openOutputs(ctx context.Context) {
	outputs, mistakes := output.Open(ctx, p.request.Outputs, p.request.outputEnv())
	p.outputs = outputs
	p.mistakes = append(p.mistakes, mistakes...)
	p.warnings = append(p.warnings, outputs.Warnings()...)
}

// readEnvironment reads the variables that change what is solved.
func (p *preparation) readEnvironment() {
	policy, problem := readSourcePolicy(p.request.Files, p.request.lookup)
	p.mistakes.Add(problem)
	p.inputs.SourcePolicy = policy

	if value, ok := p.request.lookup(noDefaultAttestationsEnv); ok {
		off, err := strconv.ParseBool(value)
		if err != nil {
			p.mistakes.Add(&fault.Usage{Flag: noDefaultAttestationsEnv, Value: value, Problem: "is neither true nor false"})
		}
		p.inputs.NoDefaultAttestations = off
	}
	if _, ok := p.request.BuildArgs[sourceDateEpoch]; !ok {
		if value, _ := p.request.lookup(sourceDateEpoch); value != "" {
			args := maps.Clone(p.request.BuildArgs)
			if args == nil {
				args = map[string]string{}
			}
			args[sourceDateEpoch] = value
			p.request.BuildArgs = args
		}
	}
}

// openMounts opens the directories that the daemon may read.
func (p *preparation) openMounts() {
	p.mounts = make(map[string]contextfs.Mount, len(p.inputs.Mounts))
	for name, dir := range p.inputs.Mounts {
		m, err := contextfs.OpenDir(dir)
		if err != nil {
			p.mistakes.Add(&fault.Usage{Flag: "directory", Value: dir, Problem: fault.Cause(err)})
			continue
		}
		m.Sums, m.Keep = p.sums, p.mtime == contextfs.MtimeKeep
		p.mounts[name] = m
	}
}
