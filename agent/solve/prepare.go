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
	spb "github.com/moby/buildkit/sourcepolicy/pb"

	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/agent/solve/session"
	"github.com/slipway-build/slipway/agent/solve/vcs"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// Plan is a request whose local side has been checked and opened. It serves
// any number of solves; Close must be called whatever happens.
type Plan struct {
	request Request
	inputs  inputs
	mounts  map[string]contextfs.Mount
	sums    *contextfs.Sums // nil without directories
	secrets buildsession.Attachable
	ssh     *session.SSHServer
	outputs *output.Set
	failure *failedFiles
	temp    *target.Staging // nil when nothing was spooled
	git     *vcs.Task       // nil when there is nothing to ask
	keys    contextKeys
	hosts   *session.Hosts

	warnings []string
	notes    []string
}

// Warnings are things that work but are probably not meant, one line each.
func (p *Plan) Warnings() []string { return p.warnings }

// Unused says, in a line, that nothing comes of the build but what its builders
// keep; empty where there is an output. It is for a build that has succeeded.
func (p *Plan) Unused() string { return p.outputs.Unused() }

// Notes say what was decided and may be worth knowing, one line each.
func (p *Plan) Notes() []string { return p.notes }

// Affinity identifies what is built: its context, wherever the agent has it,
// and its target. Builds of the same thing find their cache on the same pod.
func (p *Plan) Affinity() string {
	if held := p.request.Held; held != nil {
		return held.Affinity
	}
	in := p.resolved()
	if in.SharedKey == "" { // standard input
		return contextfs.SharedKey(p.request.Target)
	}
	return contextfs.SharedKey(in.SharedKey, p.request.Target)
}

// DockerfilePath is the absolute path of the Dockerfile on the agent; empty when it
// comes from elsewhere.
func (p *Plan) DockerfilePath() string { return p.inputs.DockerfilePath }

// Close removes staging and temporary files.
func (p *Plan) Close() error {
	p.git.Stop()
	for _, k := range p.keys.unknown {
		k.git.Stop()
	}
	var errs []error
	errs = append(errs, p.outputs.Close(), p.failure.close())
	if p.sums != nil {
		// Without it the next build reads more; that is no reason to fail.
		_ = p.sums.Keep()
	}
	if p.temp != nil {
		errs = append(errs, p.temp.Remove())
	}
	return errors.Join(errs...)
}

// Prepare checks a request and opens what it needs on the agent. It touches
// no network: whether a URL can be fetched shows in the solve. All mistakes
// that can be found are reported at once, as a fault.UsageList.
func Prepare(ctx context.Context, r Request) (*Plan, error) {
	flagMistakes := slices.Concat(checkFlags(r), checkText(r))
	files := findSources(r)
	times, note := decideTimes(r, files)
	keys := findKeys(r, files, times)
	git := askAboutSources(ctx, r, files, &keys)
	secrets, secretWarnings, secretMistakes := session.OpenSecrets(r.Secrets, r.Files, r.lookup, r.OnSecret)
	ssh, sshMistakes := session.OpenSSH(ctx, sshList(r), r.Files, r.lookup)
	caches, cacheWarnings, cacheMistakes := r.caches().Resolve(r.WorkDir, r.lookup)
	r.CacheFrom, r.CacheTo = caches.From, caches.To
	outputs, outputMistakes := output.Open(ctx, r.Outputs, r.outputEnv())
	failure, failureMistakes := openFailedFiles(ctx, r)
	environment, environmentMistakes := readEnvironment(r)
	flagMistakes.Add(checkTarget(r, files.inputs))
	given := r.BuildArgs
	r = environment.apply(r)
	environmentMistakes.Add(checkEpoch(r, given, files.inputs))
	in := files.inputs.with(keys, environment, files.caps)
	mounts, mountMistakes := openMounts(in.Mounts, times, r.account)
	p := &Plan{
		request:  r,
		inputs:   in,
		mounts:   mounts,
		sums:     times.sums,
		secrets:  secrets,
		ssh:      ssh,
		outputs:  outputs,
		failure:  failure,
		temp:     files.temp,
		git:      git,
		keys:     keys,
		hosts:    findNamedHosts(r, in),
		warnings: slices.Concat(secretWarnings, cacheWarnings, uncounted(r), outputs.Warnings()),
	}
	if note != "" {
		p.notes = []string{note}
	}
	err := slices.Concat(flagMistakes, files.mistakes, secretMistakes, sshMistakes, cacheMistakes, outputMistakes, failureMistakes, environmentMistakes, mountMistakes).Err()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		return p, nil
	}
	if closeErr := p.Close(); closeErr != nil {
		return nil, errors.Join(err, closeErr)
	}
	return nil, err
}

// checkFlags finds flags that contradict each other.
func checkFlags(r Request) (mistakes fault.UsageList) {
	if r.NoCache && len(r.NoCacheFilter) > 0 {
		mistakes.Add(&fault.Usage{Flag: "--no-cache", Problem: "cannot be used together with --no-cache-filter"})
	}
	mistakes.Add(checkResources(r.Resources))
	if syntax, ok := r.BuildArgs[argSyntax]; ok && strings.TrimSpace(syntax) == "" {
		mistakes.Add(&fault.Usage{Flag: "--build-arg", Value: argSyntax + "=", Problem: "is empty", Hint: "leave the = out to take the value of the environment if there is one"})
	}
	return mistakes
}

// checkText finds values that are no text: BuildKit's protocol takes UTF-8 only,
// and its library says neither what is wrong nor where.
func checkText(r Request) (mistakes fault.UsageList) {
	check := func(flag, name, value string) {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			mistakes.Add(&fault.Usage{Flag: flag, Value: name, Problem: "is not valid UTF-8", Hint: "convert it, for example with iconv, or leave it out"})
		}
	}
	check("--target", r.Target, "")
	for _, name := range slices.Sorted(maps.Keys(r.BuildArgs)) {
		check("--build-arg", name, r.BuildArgs[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		check("--label", name, r.Labels[name])
	}
	return mistakes
}

// sshList are the agents and keys of a request. A context that is cloned over
// ssh wants an agent without being told.
func sshList(r Request) []session.SSH {
	if len(r.SSH) == 0 && isGitSSH(r.Context) {
		return []session.SSH{{ID: "default"}}
	}
	return r.SSH
}

// environment is what variables say of a solve.
type environment struct {
	sourcePolicy          *spb.Policy
	noDefaultAttestations bool
	sourceDateEpoch       string // a build argument unless it is given; empty for none
}

// readEnvironment reads the variables that change what is solved.
func readEnvironment(r Request) (e environment, mistakes fault.UsageList) {
	policy, problem := readSourcePolicy(r.Files, r.lookup)
	mistakes.Add(problem)
	e.sourcePolicy = policy
	if value, ok := r.lookup(noDefaultAttestationsEnv); ok {
		off, err := strconv.ParseBool(value)
		if err != nil {
			mistakes.Add(&fault.Usage{Flag: noDefaultAttestationsEnv, Value: value, Problem: "is neither true nor false"})
		}
		e.noDefaultAttestations = off
	}
	e.sourceDateEpoch, _ = r.lookup(sourceDateEpoch)
	return e, mistakes
}

// apply adds the build argument that the environment gives.
func (e environment) apply(r Request) Request {
	if _, ok := r.BuildArgs[sourceDateEpoch]; ok || e.sourceDateEpoch == "" {
		return r
	}
	args := maps.Clone(r.BuildArgs)
	if args == nil {
		args = map[string]string{}
	}
	args[sourceDateEpoch] = e.sourceDateEpoch
	r.BuildArgs = args
	return r
}

// with adds what was found after the sources.
func (in inputs) with(keys contextKeys, e environment, caps []string) inputs {
	if keys.session != "" {
		in.SharedKey = keys.session
	}
	in.Attrs = maps.Clone(in.Attrs)
	maps.Copy(in.Attrs, keys.attrs)
	if len(caps) > 0 {
		in.Attrs[attrFrontendCaps] = strings.Join(slices.Compact(slices.Sorted(slices.Values(caps))), ",")
	}
	in.SourcePolicy, in.NoDefaultAttestations = e.sourcePolicy, e.noDefaultAttestations
	return in
}

// openMounts opens the directories that the daemon may read, by name.
func openMounts(dirs map[string]string, t times, account func(mount string) *contextfs.Account) (mounts map[string]contextfs.Mount, mistakes fault.UsageList) {
	mounts = make(map[string]contextfs.Mount, len(dirs))
	for name, dir := range dirs {
		m, err := contextfs.OpenDir(dir)
		if err != nil {
			mistakes.Add(&fault.Usage{Flag: "directory", Value: dir, Problem: fault.Cause(err)})
			continue
		}
		m.Account = account(name)
		m.Sums, m.Keep = t.sums, t.mode == contextfs.MtimeKeep
		mounts[name] = m
	}
	return mounts, mistakes
}
