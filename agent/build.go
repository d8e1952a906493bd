package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/report"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// solveTries is how often one node's part of a build is solved when its
// builder gets lost on the way.
const solveTries = 3

// Build is one build, as parsed values.
type Build struct {
	// Fleet is the nodes that build. It keeps its connections, so that a next
	// build need not make them again; the caller closes it.
	Fleet   *fleet.Fleet
	Request solve.Request
	// Platforms are what --platform names, normalized; empty for the default.
	Platforms []ocispecs.Platform
	// Provenance is how much of what the builders have recorded goes into the
	// report; empty for nothing.
	Provenance buildkit.ProvenanceMode

	// Timing notes what the time is spent on; it may be nil.
	Timing *fleet.Timing

	Terminal *progress.Terminal
	Mode     progress.Mode
	// RawOutput shows what the build's steps put out as it is, but for secrets.
	RawOutput bool
	Log       zerolog.Logger
}

// Run checks what was asked before the cluster is touched, makes sure that the
// builders run, solves on all of them at once and lets the outputs appear
// when every node has succeeded. Its errors have a fault.Class.
func (b Build) Run(ctx context.Context) (made *report.Report, err error) {
	w, err := b.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer w.end(&err)
	parts, err := w.solveAll(ctx)
	if err != nil {
		return nil, err
	}
	outcome, err := w.publish(ctx)
	if err != nil {
		return nil, err
	}
	return &report.Report{Builder: b.Fleet.Definition().Name, Outcome: *outcome, Parts: parts}, nil
}

// Call asks the Dockerfile's frontend about the build instead of building:
// its outline, its targets, its faults. Nodes do not differ in the answer, so
// one is asked.
func (b Build) Call(ctx context.Context, call solve.Call) (answer *solve.CallResult, err error) {
	// Nothing comes out but the answer.
	b.Request.Outputs, b.Request.Annotations, b.Request.CacheTo = []output.Output{{Type: "cacheonly"}}, nil, nil
	w, err := b.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer w.end(&err)
	err = w.tryJob(ctx, w.jobs[0].Node, func(conn *fleet.Connection) (err error) {
		answer, err = w.plan.Call(ctx, conn.Daemon, b.solveJobs(w.jobs)[0], call, w.display.Solve(""))
		return err
	})
	return answer, err
}

// work is a build under way: its request is checked, it has a display, and its
// platforms have nodes.
type work struct {
	Build
	plan    *solve.Plan
	display *progress.Display // nil until it is open
	nodes   *fleet.View
	jobs    []fleet.Job
}

// begin does all that comes before the first solve. The caller ends the work.
func (b Build) begin(ctx context.Context) (_ *work, err error) {
	prepared := b.Timing.Begin("", "check the request")
	plan, err := b.prepare(ctx)
	prepared()
	if err != nil {
		return nil, err
	}
	w := &work{Build: b, plan: plan}
	begun := false
	defer func() {
		if !begun {
			w.end(&err)
		}
	}()
	if w.display, err = progress.Open(ctx, b.Terminal, b.Mode, b.title(), progress.RawOutput(b.RawOutput)); err != nil {
		return nil, fault.With(fault.ClassUsage, fmt.Errorf("--progress=%s: %w", b.Mode, err))
	}
	w.nodes = b.Fleet.View(w.display, plan.Affinity)
	if w.jobs, err = w.nodes.Assign(ctx, b.Platforms); err != nil {
		return nil, err
	}
	b.tellUnclaimed(w.jobs)
	begun = true
	return w, nil
}

// end closes what begin has opened; its own error counts where err has none.
func (w *work) end(err *error) {
	if w.display != nil {
		if closeErr := w.display.Close(); *err == nil {
			*err = closeErr
		}
	}
	closePlan(w.plan, err)
}

// DryRun resolves what Run would ask each node for. It touches no cluster, so
// the definition must say which node has which platform. With args the values
// of build arguments are shown.
func (b Build) DryRun(ctx context.Context, args bool) (requests []solve.Description, err error) {
	plan, err := b.prepare(ctx)
	if err != nil {
		return nil, err
	}
	defer closePlan(plan, &err)
	jobs, err := fleet.Assign(b.Fleet.Definition(), b.Platforms)
	if err != nil {
		return nil, err
	}
	b.tellUnclaimed(jobs)
	for _, job := range b.solveJobs(jobs) {
		request, err := plan.Describe(job, args)
		if err != nil {
			return nil, fault.With(fault.ClassUsage, err)
		}
		requests = append(requests, request)
	}
	return requests, nil
}

// prepare checks all that can be checked before the cluster is touched.
func (b Build) prepare(ctx context.Context) (*solve.Plan, error) {
	mirrors, err := RegistryMirrors(b.Fleet.Definition())
	if err != nil {
		return nil, err
	}
	b.Request.RegistryAllow = slices.Concat(b.Request.RegistryAllow, mirrors)
	b.Request.Warn = func(message string) { b.Log.Warn().Msg(message) }
	plan, err := solve.Prepare(ctx, b.Request)
	if err != nil {
		return nil, fault.With(fault.ClassUsage, err)
	}
	for _, warning := range plan.Warnings() {
		b.Log.Warn().Msg(warning)
	}
	for _, note := range plan.Notes() {
		b.Log.Info().Msg(note)
	}
	if err := fleet.Claimable(b.Fleet.Definition(), b.Platforms); err != nil {
		return nil, errors.Join(err, plan.Close())
	}
	return plan, nil
}

func closePlan(plan *solve.Plan, err *error) {
	if closeErr := plan.Close(); *err == nil {
		*err = closeErr
	}
}

// DefaultLoad reports whether a build without outputs is to load its image
// into a Docker engine, which docker buildx decides by the definition.
func DefaultLoad(d configmap.Definition) bool {
	return slices.ContainsFunc(d.Nodes, configmap.Node.DefaultLoad)
}

func (b Build) title() string {
	return fmt.Sprintf("building with %q on %s", b.Fleet.Definition().Name, b.Fleet.Definition().Driver)
}

// tellUnclaimed says which node builds for the platforms that no node claims.
func (b Build) tellUnclaimed(jobs []fleet.Job) {
	for _, j := range jobs {
		if len(j.Unclaimed) > 0 {
			b.Log.Info().Msgf("no node claims %s: node %s builds for it; a step that runs for it needs an emulator there",
				fleet.PlatformNames(j.Unclaimed), b.Fleet.Definition().Nodes[j.Node].Name)
		}
	}
}

// solveJobs are the parts of the build in BuildKit's terms.
func (b Build) solveJobs(jobs []fleet.Job) []job.Job {
	total := 0
	siblings := make([][]ocispecs.Platform, len(jobs))
	for i, j := range jobs {
		siblings[i] = j.Platforms
		total += len(j.Platforms)
	}
	out := make([]job.Job, len(jobs))
	for i, j := range jobs {
		out[i] = job.Job{
			Node:      b.Fleet.Definition().Nodes[j.Node].Name,
			Platforms: j.Platforms,
			Single:    total <= 1,
			Siblings:  siblings,
		}
	}
	return out
}

// solveAll solves every job on its node, all at once. The first failure ends
// the others: an output needs all of them.
func (w *work) solveAll(ctx context.Context) ([]report.Part, error) {
	group, ctx := errgroup.WithContext(ctx)
	parts := make([]report.Part, len(w.jobs))
	stop := readAhead(ctx, readAheadAfter, func(ctx context.Context) {
		defer w.Timing.Begin("", "read the context ahead")()
		w.plan.ReadAhead(ctx)
	})
	defer stop()
	w.nodes.OnConnect(stop)
	for i, job := range w.solveJobs(w.jobs) {
		group.Go(fault.Guard(func() error {
			label := ""
			if job.Several() {
				label = job.Node
			}
			return w.tryJob(ctx, w.jobs[i].Node, func(conn *fleet.Connection) error {
				defer w.Timing.Begin(job.Node, "solve")()
				result, err := w.plan.Solve(ctx, conn.Daemon, job, w.display.Solve(label))
				if err != nil {
					return err
				}
				parts[i] = report.Part{Node: job.Node, Pod: conn.Pod, Result: result}
				if err := w.provenance(ctx, conn, &parts[i]); err != nil {
					return &afterSolve{err}
				}
				return nil
			})
		}))
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return parts, nil
}

// provenance adds to a part what its builder has recorded.
func (w *work) provenance(ctx context.Context, conn *fleet.Connection, part *report.Part) (err error) {
	if w.Provenance != "" {
		part.Provenance, err = conn.Provenance(ctx, part.Result.Ref, w.Provenance)
	}
	return err
}

// tryJob does something on a node and does it again, on another pod where there
// is one, when the builder gets lost. A failure of the build itself is final.
func (w *work) tryJob(ctx context.Context, node int, do func(*fleet.Connection) error) error {
	for try := 1; ; try++ {
		conn, err := w.nodes.Connect(ctx, node)
		if err != nil {
			return err
		}
		err = do(conn)
		if err == nil {
			return nil
		}
		class := classOf(solve.Classify(err))
		if ctx.Err() == nil && try < solveTries && worthAnotherSolve(class, err) {
			step := w.display.Step("[" + w.Fleet.Definition().Nodes[node].Name + "] builder lost")
			step.Say(fmt.Sprintf("%s: %v; solving again (%d of %d)", conn, err, try+1, solveTries))
			step.Done(nil)
			w.nodes.Drop(node, conn)
			continue
		}
		if class == fault.ClassLost {
			w.nodes.Drop(node, conn) // not for the fleet's next build either
			err = fmt.Errorf("%s: lost: %w", conn, err)
		}
		if class == 0 {
			return err
		}
		return fault.With(class, err)
	}
}

// afterSolve is a failure of what comes after a solve that has succeeded.
type afterSolve struct{ error }

// Unwrap returns what failed.
func (e *afterSolve) Unwrap() error { return e.error }

// worthAnotherSolve is true for a builder that was lost before its outputs had
// come: with them, a second solve would deliver all twice.
func worthAnotherSolve(class fault.Class, err error) bool {
	return class == fault.ClassLost && !errors.As(err, new(*afterSolve))
}

// publish puts together what the nodes have made, lets files appear and
// moves tags.
func (w *work) publish(ctx context.Context) (*output.Outcome, error) {
	defer w.Timing.Begin("", "publish")()
	names := w.plan.Publishes()
	step := w.display.Step("[" + w.Fleet.Definition().Name + "] publishing")
	if len(names) > 0 {
		step.Say("merging what the nodes have pushed into " + strings.Join(names, ", "))
	}
	outcome, err := commit(ctx, w.plan)
	if err != nil {
		step.Done(errors.New("not published, the reason is below"))
		return nil, publishError(err)
	}
	if len(names) > 0 && outcome.Descriptor != nil {
		for _, name := range names {
			step.Say(fmt.Sprintf("%s is %s", name, outcome.Descriptor.Digest))
		}
	}
	step.Done(nil)
	return outcome, nil
}

func commit(ctx context.Context, plan *solve.Plan) (*output.Outcome, error) {
	if err := plan.Seal(ctx); err != nil {
		return nil, err
	}
	return plan.Commit(ctx)
}

// publishError gives a failure after the solves its class. What no other fits
// is an output that was asked for and cannot be put in place.
func publishError(err error) error {
	class := classOf(solve.Classify(err))
	if class == 0 {
		class = fault.ClassUsage
	}
	return fault.With(class, err)
}

// classOf translates what solve knows of an error.
func classOf(kind solve.Kind) fault.Class {
	switch kind {
	case solve.KindBuild:
		return fault.ClassBuild
	case solve.KindUsage:
		return fault.ClassUsage
	case solve.KindLost:
		return fault.ClassLost
	case solve.KindBuilder:
		return fault.ClassCluster
	case solve.KindRegistry:
		return fault.ClassRegistry
	case solve.KindCancelled:
		return fault.ClassCancelled
	}
	return 0
}
