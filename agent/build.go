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

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/report"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// solveTries is how often one node's part of a build is solved when its
// builder gets lost on the way.
const solveTries = 3

// Build is one build, as parsed values.
type Build struct {
	Definition configmap.Definition
	Access     cluster.Access
	Request    solve.Request
	// Platforms are what --platform names, normalized; empty for the default.
	Platforms []ocispecs.Platform
	// Provenance is how much of what the builders have recorded goes into the
	// report; empty for nothing.
	Provenance solve.ProvenanceMode

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
// when every node has succeeded. Its errors have a Class.
func (b Build) Run(ctx context.Context) (made *report.Report, err error) {
	err = b.onStage(ctx, func(s stage) error {
		parts, err := b.solveAll(ctx, s)
		if err != nil {
			return err
		}
		outcome, err := b.publish(ctx, s)
		if err != nil {
			return err
		}
		made = &report.Report{Builder: b.Definition.Name, Outcome: *outcome, Parts: parts}
		return nil
	})
	return made, err
}

// Call asks the Dockerfile's frontend about the build instead of building:
// its outline, its targets, its faults. Nodes do not differ in the answer, so
// one is asked.
func (b Build) Call(ctx context.Context, call solve.Call) (answer *solve.CallResult, err error) {
	// Nothing comes out but the answer.
	b.Request.Outputs, b.Request.Annotations, b.Request.CacheTo = []solve.Output{{Type: "cacheonly"}}, nil, nil
	err = b.onStage(ctx, func(s stage) error {
		return b.tryJob(ctx, s, s.jobs[0].Node, func(conn *fleet.Connection) (err error) {
			answer, err = conn.Call(ctx, s.plan, b.jobs(s.jobs)[0], call, s.display.Solve(""))
			return err
		})
	})
	return answer, err
}

// stage is what a build works with, once its platforms have nodes.
type stage struct {
	plan    *solve.Plan
	display *progress.Display
	nodes   *fleet.Fleet
	jobs    []fleet.Job
}

// onStage sets the stage for work and clears it away afterwards.
func (b Build) onStage(ctx context.Context, work func(stage) error) (err error) {
	prepared := b.Timing.Begin("", "check the request")
	plan, err := b.prepare(ctx)
	prepared()
	if err != nil {
		return err
	}
	defer closePlan(plan, &err)
	display, err := progress.Open(ctx, b.Terminal, b.Mode, b.title(), progress.RawOutput(b.RawOutput))
	if err != nil {
		return fault.With(fault.ClassUsage, fmt.Errorf("--progress=%s: %w", b.Mode, err))
	}
	defer func() {
		if closeErr := display.Close(); err == nil {
			err = closeErr
		}
	}()
	nodes := fleet.New(b.Definition, &fleet.Connector{Access: b.Access, Affinity: plan.Affinity, Timing: b.Timing, Log: b.Log}, display)
	defer nodes.Close()

	jobs, err := nodes.Assign(ctx, b.Platforms)
	if err != nil {
		return err
	}
	return work(stage{plan, display, nodes, jobs})
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
	jobs, err := fleet.Assign(b.Definition, b.Platforms)
	if err != nil {
		return nil, err
	}
	for _, job := range b.jobs(jobs) {
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
	mirrors, err := RegistryMirrors(b.Definition)
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
	if err := fleet.Claimable(b.Definition, b.Platforms); err != nil {
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
	return fmt.Sprintf("building with %q on %s", b.Definition.Name, b.Definition.Driver)
}

// jobs are the parts of the build in BuildKit's terms.
func (b Build) jobs(jobs []fleet.Job) []solve.Job {
	total := 0
	siblings := make([][]ocispecs.Platform, len(jobs))
	for i, j := range jobs {
		siblings[i] = j.Platforms
		total += len(j.Platforms)
	}
	out := make([]solve.Job, len(jobs))
	for i, j := range jobs {
		out[i] = solve.Job{
			Node:      b.Definition.Nodes[j.Node].Name,
			Platforms: j.Platforms,
			Single:    total <= 1,
			Siblings:  siblings,
		}
	}
	return out
}

// solveAll solves every job on its node, all at once. The first failure ends
// the others: an output needs all of them.
func (b Build) solveAll(ctx context.Context, s stage) ([]report.Part, error) {
	group, ctx := errgroup.WithContext(ctx)
	parts := make([]report.Part, len(s.jobs))
	stop := readAhead(ctx, readAheadAfter, func(ctx context.Context) {
		defer b.Timing.Begin("", "read the context ahead")()
		s.plan.ReadAhead(ctx)
	})
	defer stop()
	s.nodes.OnConnect(stop)
	for i, work := range b.jobs(s.jobs) {
		group.Go(fault.Guard(func() error {
			label := ""
			if work.Several() {
				label = work.Node
			}
			return b.tryJob(ctx, s, s.jobs[i].Node, func(conn *fleet.Connection) error {
				defer b.Timing.Begin(work.Node, "solve")()
				result, err := conn.Solve(ctx, s.plan, work, s.display.Solve(label))
				if err != nil {
					return err
				}
				parts[i] = report.Part{Node: work.Node, Pod: conn.Pod, Result: result}
				if err := b.provenance(ctx, conn, &parts[i]); err != nil {
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
func (b Build) provenance(ctx context.Context, conn *fleet.Connection, part *report.Part) (err error) {
	if b.Provenance != "" {
		part.Provenance, err = conn.Provenance(ctx, part.Result.Ref, b.Provenance)
	}
	return err
}

// tryJob does work on a node and does it again, on another pod where there is
// one, when the builder gets lost. A failure of the build itself is final.
func (b Build) tryJob(ctx context.Context, s stage, node int, work func(*fleet.Connection) error) error {
	for try := 1; ; try++ {
		conn, err := s.nodes.Connect(ctx, node)
		if err != nil {
			return err
		}
		err = work(conn)
		if err == nil {
			return nil
		}
		class := classOf(solve.Classify(err))
		if ctx.Err() == nil && try < solveTries && worthAnotherSolve(class, err) {
			step := s.display.Step("[" + b.Definition.Nodes[node].Name + "] builder lost")
			step.Say(fmt.Sprintf("%s: %v; solving again (%d of %d)", conn, err, try+1, solveTries))
			step.Done(nil)
			s.nodes.Drop(node)
			continue
		}
		if class == fault.ClassLost {
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
func (b Build) publish(ctx context.Context, s stage) (*solve.Outcome, error) {
	defer b.Timing.Begin("", "publish")()
	names := s.plan.Publishes()
	step := s.display.Step("[" + b.Definition.Name + "] publishing")
	if len(names) > 0 {
		step.Say("merging what the nodes have pushed into " + strings.Join(names, ", "))
	}
	outcome, err := commit(ctx, s.plan)
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

func commit(ctx context.Context, plan *solve.Plan) (*solve.Outcome, error) {
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
