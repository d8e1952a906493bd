package solve

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/session"
	"github.com/tonistiigi/fsutil"
)

// Plan is a request whose local side has been checked and opened. It serves
// any number of solves; Close must be called whatever happens.
type Plan struct {
	request Request
	inputs  Inputs
	mounts  map[string]fsutil.FS
	secrets session.Attachable
	ssh     session.Attachable // nil when there is none
	sinks   []sink
	temp    string // "" when nothing was spooled

	warnings []string
}

// Warnings are things that work but are probably not meant, one line each.
func (p *Plan) Warnings() []string { return p.warnings }

// Commit makes the outputs appear. It is called once all solves have
// succeeded.
func (p *Plan) Commit() error {
	for _, s := range p.sinks {
		if err := s.check(); err != nil {
			return err
		}
	}
	for _, s := range p.sinks {
		if err := s.commit(); err != nil {
			return err
		}
	}
	return nil
}

// Close removes staging and temporary files.
func (p *Plan) Close() error {
	var errs []error
	for _, s := range p.sinks {
		errs = append(errs, s.close())
	}
	if p.temp != "" {
		errs = append(errs, os.RemoveAll(p.temp))
	}
	return errors.Join(errs...)
}

// preparation is a plan in the making.
type preparation struct {
	*Plan
	problems
	contextDir string   // set for a context that is a local directory
	remote     bool     // the context is a URL
	caps       []string // what the frontend must know
}

// Prepare checks a request and opens what it needs on the agent. It touches
// no network: whether a URL can be fetched shows in the solve. All mistakes
// that can be found are reported at once, as UsageErrors.
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
	p.resolveContext(ctx)
	p.resolveDockerfile(ctx)
	p.resolveContexts()
	p.resolveSecrets()
	p.resolveSSH(ctx)
	p.openOutputs()
	p.readEnvironment()
	p.openMounts()
	if len(p.caps) > 0 {
		slices.Sort(p.caps)
		p.inputs.Attrs[attrFrontendCaps] = strings.Join(slices.Compact(p.caps), ",")
	}
	err := p.err()
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
		p.add(&UsageError{Flag: "--no-cache", Problem: "cannot be used together with --no-cache-filter"})
	}
	if syntax, ok := p.request.BuildArgs[argSyntax]; ok && strings.TrimSpace(syntax) == "" {
		p.add(&UsageError{Flag: "--build-arg", Value: argSyntax + "=", Problem: "is empty", Hint: "leave the = out to take the value of the environment if there is one"})
	}
}

func (p *preparation) resolveSecrets() {
	resolved := make([]Secret, 0, len(p.request.Secrets))
	for _, s := range p.request.Secrets {
		s, warning, problem := s.resolve(p.request.lookup)
		p.add(problem)
		if warning != "" {
			p.warnings = append(p.warnings, warning)
		}
		resolved = append(resolved, s)
	}
	p.secrets = secretProvider(resolved, p.request.lookup)
}

func (p *preparation) resolveSSH(ctx context.Context) {
	list := p.request.SSH
	if len(list) == 0 && isGitSSH(p.request.Context) {
		list = []SSH{{ID: "default"}}
	}
	p.ssh = sshAgents(ctx, list, p.request.lookup, &p.problems)
}

func (p *preparation) openOutputs() {
	allowDelete := slices.Contains(p.request.Allow, allowLocalDelete)
	seen := map[string]bool{}
	for _, o := range p.request.Outputs {
		kind, ok := findOutputType(o.Type)
		if !ok || kind.open == nil {
			p.add(&UsageError{Flag: "--output", Value: "type=" + o.Type, Problem: "is not supported"})
			continue
		}
		opened, problem := kind.open(o, allowDelete)
		if problem != nil {
			p.add(problem)
			continue
		}
		if seen[o.Dest] {
			p.add(&UsageError{Flag: "--output", Value: "dest=" + o.Dest, Problem: "is given twice"})
			continue
		}
		seen[o.Dest] = true
		p.sinks = append(p.sinks, opened)
	}
	if len(p.request.Outputs) == 0 {
		p.warnings = append(p.warnings, "no --output: the result stays in the cache of the builder")
	}
}

// readEnvironment reads the variables that change what is solved.
func (p *preparation) readEnvironment() {
	policy, problem := readSourcePolicy(p.request.lookup)
	p.add(problem)
	p.inputs.SourcePolicy = policy

	if value, ok := p.request.lookup(noDefaultAttestationsEnv); ok {
		off, err := strconv.ParseBool(value)
		if err != nil {
			p.add(&UsageError{Flag: noDefaultAttestationsEnv, Value: value, Problem: "is neither true nor false"})
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
	p.mounts = make(map[string]fsutil.FS, len(p.inputs.Mounts))
	for name, dir := range p.inputs.Mounts {
		mount, err := openDir(dir)
		if err != nil {
			p.add(&UsageError{Flag: "directory", Value: dir, Problem: cause(err)})
			continue
		}
		p.mounts[name] = mount
	}
}
