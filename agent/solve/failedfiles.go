package solve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/agent/solve/onfailure"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/junit"
	"github.com/slipway-build/slipway/internal/target"
)

// takeTimeout bounds how long the files of a failed step are waited for: a build that has
// failed is not to hang for what is wanted besides.
const takeTimeout = 2 * time.Minute

// FailedFiles are the files of a failed step that one --on-failure has got.
type FailedFiles struct {
	// Platform is the one that the step was for; empty in a build of one platform.
	Platform string
	// Dest is the directory as it was given, Path where the files are in it.
	Dest, Path string
	// Files counts them, Bytes is their size; 0 when there is none.
	Files int
	Bytes int64
	// LeftOut says what matches and is not among them, a line each.
	LeftOut []string
	// Tests is what the test reports among them say. Files in it are absolute paths on
	// the agent, empty where the test is not in the build's context there.
	Tests junit.Report
}

// failedFiles is where the files of failed steps go; nil when none are wanted.
type failedFiles struct {
	specs []onfailure.Spec
	trees []*output.Tree // nil for a spec that copies nothing

	mu    sync.Mutex
	taken []FailedFiles
}

// openFailedFiles checks where files of a failed step are to go.
func openFailedFiles(ctx context.Context, r Request) (*failedFiles, fault.UsageList) {
	if len(r.OnFailure) == 0 {
		return nil, nil
	}
	f := &failedFiles{specs: r.OnFailure, trees: make([]*output.Tree, len(r.OnFailure))}
	var mistakes fault.UsageList
	seen := map[string]bool{}
	for i, spec := range r.OnFailure {
		if len(spec.Paths) == 0 {
			continue
		}
		tree, problem := output.OpenTree(ctx, onfailure.Flag, spec.Dest, r.outputEnv())
		if problem == nil && seen[tree.Path()] {
			problem = &fault.Usage{Flag: onfailure.Flag, Value: "dest=" + spec.Dest, Problem: "is given twice", Hint: "give all patterns at once: path=A,path=B"}
		}
		if problem != nil {
			mistakes.Add(problem)
			continue
		}
		seen[tree.Path()] = true
		f.trees[i] = tree
	}
	return f, mistakes
}

func (f *failedFiles) close() error {
	if f == nil {
		return nil
	}
	var errs []error
	for _, tree := range f.trees {
		if tree != nil {
			errs = append(errs, tree.Close())
		}
	}
	return errors.Join(errs...)
}

// KeepsGoing reports whether a node that fails leaves the others to their work: their
// files are wanted, too, if they fail.
func (p *Plan) KeepsGoing() bool { return p.failure != nil }

// PlaceFailedFiles lets the files of failed steps appear, and returns what there is of
// them, by platform. It is called once no solve runs any more. An error is of one destination; the
// others are placed all the same.
func (p *Plan) PlaceFailedFiles(ctx context.Context) ([]FailedFiles, error) {
	if p.failure == nil {
		return nil, nil
	}
	p.failure.mu.Lock()
	defer p.failure.mu.Unlock()
	var errs []error
	for _, tree := range p.failure.trees {
		if tree == nil {
			continue
		}
		if err := tree.Place(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s dest=%s: %s", onfailure.Flag, tree.Path(), fault.Cause(err)))
		}
	}
	slices.SortStableFunc(p.failure.taken, func(a, b FailedFiles) int { return strings.Compare(a.Platform, b.Platform) })
	return p.failure.taken, errors.Join(errs...)
}

// submit sends a solve. When files of a step that fails are wanted, it is the agent that
// asks the frontend, as BuildKit keeps such a step only as long as who has asked for it.
func (p *Plan) submit(ctx context.Context, d *buildkit.Daemon, opt client.SolveOpt, of job.Job, feed *feed) (*client.SolveResponse, error) {
	if p.failure == nil {
		return d.Client().Solve(ctx, nil, opt, feed.start())
	}
	asked := false
	response, err := d.Client().Build(ctx, opt, "slipway", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		asked = true
		result, err := c.Solve(ctx, gateway.SolveRequest{Frontend: opt.Frontend, FrontendOpt: maps.Clone(c.BuildOpts().Opts), FrontendInputs: definitions(ctx, opt.FrontendInputs)})
		if err != nil {
			p.take(ctx, c, err, of, feed)
			return nil, err
		}
		if !onfailure.Supported(c) {
			return result, nil
		}
		return result, p.evaluate(ctx, c, result, of, feed)
	}, feed.start())
	switch why := buildkit.Explain(ctx, err); {
	case err == nil:
	case errors.As(why, new(*buildkit.LostError)):
		p.noFiles("the builder was lost")
	case !asked && ctx.Err() == nil:
		p.noFiles("the build has not begun")
	}
	return response, err
}

// evaluate solves all results at once, which the builder would do one after the other,
// and takes the files of those that fail. The error is that of the first one.
func (p *Plan) evaluate(ctx context.Context, c gateway.Client, result *gateway.Result, of job.Job, feed *feed) error {
	var first error
	var once sync.Once
	var group errgroup.Group
	_ = result.EachRef(func(ref gateway.Reference) error {
		group.Go(fault.Guard(func() error {
			err := ref.Evaluate(ctx)
			if err != nil {
				once.Do(func() { first = err })
				p.take(ctx, c, err, of, feed)
			}
			return nil
		}))
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return first
}

// noFiles says in a line why there are no files.
func (p *Plan) noFiles(reason string) {
	if p.request.Warn != nil {
		p.request.Warn(onfailure.Flag + ": no files of the failed step: " + reason)
	}
}

// take takes the files of the step that a solve has failed at. That it cannot is no
// failure of the build, which has one already.
func (p *Plan) take(ctx context.Context, c gateway.Client, failure error, of job.Job, feed *feed) {
	if ctx.Err() != nil || buildkit.IsLost(failure) {
		return
	}
	if !onfailure.Supported(c) {
		p.noFiles(onfailure.TooOld().Error())
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, takeTimeout, fmt.Errorf("it takes longer than %s", takeTimeout))
	defer cancel()
	step, err := onfailure.Open(ctx, c, failure)
	if err != nil {
		p.noFiles(fault.Cause(err))
		return
	}
	defer func() { _ = step.Close() }() // the build ends, and with it all that it has
	platform := ""
	if !of.Single {
		platform = stepPlatform(step.Name, step.Platform, of)
	}
	for i, spec := range p.failure.specs {
		if len(spec.Paths) == 0 {
			p.listStep(ctx, step, feed)
			continue
		}
		taken, err := p.failure.copy(ctx, step, i, platform)
		if err != nil {
			p.noFiles(fault.Cause(err))
			continue
		}
		for i, test := range taken.Tests.Failures {
			taken.Tests.Failures[i].File = p.inContext(test.File)
		}
		p.failure.mu.Lock()
		p.failure.taken = append(p.failure.taken, taken)
		p.failure.mu.Unlock()
	}
}

// inContext returns the absolute path of a file of a step as it lies in the context on
// the agent: steps run in a copy of the context as a rule. It is empty where there is none.
func (p *Plan) inContext(name string) string {
	m, ok := p.inputs.Mounts[mountContext]
	if !ok || name == "" {
		return ""
	}
	root, err := os.OpenRoot(m)
	if err != nil {
		return ""
	}
	defer closeQuietly(root)
	info, err := root.Stat(filepath.FromSlash(name))
	dir, absErr := target.Absolute(p.request.WorkDir, m)
	if err != nil || absErr != nil || !info.Mode().IsRegular() {
		return ""
	}
	return filepath.Join(dir, filepath.FromSlash(name))
}

// copy copies what one spec wants.
func (f *failedFiles) copy(ctx context.Context, step *onfailure.Step, i int, platform string) (FailedFiles, error) {
	part, err := f.trees[i].Begin()
	if err != nil {
		return FailedFiles{}, err
	}
	dir := strings.ReplaceAll(platform, "/", "_")
	prefix := ""
	if dir != "" {
		prefix = dir + "/"
	}
	done := onfailure.Copy(ctx, step, f.specs[i], part, prefix)
	taken := FailedFiles{Platform: platform, Dest: f.specs[i].Dest, Path: strings.TrimSuffix(f.specs[i].Dest, "/"), LeftOut: done.LeftOut, Tests: done.Tests}
	if dir != "" {
		taken.Path += "/" + dir
	}
	taken.Files, taken.Bytes = part.Keep()
	return taken, nil
}

// stepPlatform is the platform that a step of a solve is for: the only one of the solve,
// the one that its name has, or the one that it has run on.
func stepPlatform(name string, ranOn *pb.Platform, of job.Job) string {
	if len(of.Platforms) == 1 {
		return platforms.Format(of.Platforms[0])
	}
	if inside, _, ok := strings.Cut(strings.TrimPrefix(name, "["), " "); ok && strings.HasPrefix(name, "[") {
		on, target, crosses := strings.Cut(inside, "->")
		if system, _, ok := strings.Cut(on, "/"); crosses && ok && !strings.Contains(target, "/") {
			target = system + "/" + target
		}
		for _, p := range of.Platforms {
			if own := platforms.Format(p); own == target || !crosses && own == on {
				return own
			}
		}
	}
	if ranOn == nil {
		return "unknown"
	}
	own := platforms.Format(platforms.Normalize(ranOn.Spec()))
	for part := range strings.SplitSeq(own, "/") {
		if part == "" || part == "." || part == ".." {
			return "unknown"
		}
	}
	return own
}

// listStep shows the working directory of a step as a step of its own.
func (p *Plan) listStep(ctx context.Context, step *onfailure.Step, feed *feed) {
	lines, err := onfailure.List(ctx, step)
	if err != nil {
		p.noFiles(fault.Cause(err))
		return
	}
	now := time.Now()
	id := digest.FromString("list " + step.Name + step.Dir)
	feed.send(&client.SolveStatus{
		Vertexes: []*client.Vertex{{Digest: id, Name: "[" + strings.TrimPrefix(onfailure.Flag, "--") + "] files in " + step.Dir + " of " + step.Name, Started: &now, Completed: &now}},
		Logs:     []*client.VertexLog{{Vertex: id, Stream: 1, Timestamp: now, Data: []byte(strings.Join(lines, "\n") + "\n")}},
	})
}
