package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/report"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
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

	// Keep, if set, is given the images that the build has exported, as their builders
	// hold them: for Request.Held of another build. It is called from several goroutines,
	// before anything is published.
	Keep func(Held)
	// Redact returns the configuration of an image as it may be kept, false where that is
	// the configuration itself. It may be nil.
	Redact func(config []byte) (redacted []byte, changed bool)

	// Events is the stream of the command, which may have consumers already and
	// gets the events of one build; nil for one of its own.
	Events *event.Stream

	Terminal *progress.Terminal
	Mode     progress.Mode
	// Reporter returns what shows the build in place of a display that prints
	// line by line; nil for that display.
	Reporter func(plain ci.Reporter) ci.Reporter
	// Steps is the form of a log that is printed line by line; nil for BuildKit's.
	Steps *progress.StepLog
	// RawOutput shows what the build's steps put out as it is, but for secrets.
	RawOutput bool
	Log       zerolog.Logger

	// part is what the build has of a Bake that it is part of; nil for one alone.
	part *part
}

// Run checks what was asked before the cluster is touched, makes sure that the
// builders run, solves on all of them at once and lets the outputs appear
// when every node has succeeded. Its errors have a fault.Class.
func (b Build) Run(ctx context.Context) (*report.Report, error) {
	made, err := b.run(ctx)
	return made, b.Fleet.ExplainForbidden(ctx, cluster.UseBuild, err)
}

func (b Build) run(ctx context.Context) (made *report.Report, err error) {
	w, err := b.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		w.end(&err)
		if unused := w.plan.Unused(); unused != "" && err == nil { // below all that is shown
			b.Log.Warn().Msg(unused)
		}
	}()
	collector := &report.Collector{}
	collected := w.stream.Subscribe("report", collector)
	err = w.build(ctx)
	if endErr := collected.End(); err == nil {
		err = endErr
	}
	if err != nil {
		return nil, err
	}
	return collector.Report(), nil
}

// build solves on all nodes and publishes what they have made.
func (w *work) build(ctx context.Context) error {
	w.assigned(w.jobs)
	if err := w.solveAll(ctx); err != nil {
		return w.withFailedFiles(ctx, err)
	}
	return w.publish(ctx)
}

// Call asks the Dockerfile's frontend about the build instead of building:
// its outline, its targets, its faults. Nodes do not differ in the answer, so
// one is asked.
func (b Build) Call(ctx context.Context, call solve.Call) (*solve.CallResult, error) {
	answer, err := b.call(ctx, call)
	return answer, b.Fleet.ExplainForbidden(ctx, cluster.UseBuild, err)
}

func (b Build) call(ctx context.Context, call solve.Call) (answer *solve.CallResult, err error) {
	// Nothing comes out but the answer.
	b.Request.Outputs, b.Request.Annotations, b.Request.CacheTo = []output.Output{{Type: "cacheonly"}}, nil, nil
	w, err := b.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer w.end(&err)
	w.assigned(w.jobs[:1])
	job := b.solveJobs(w.jobs)[0]
	err = w.tryJob(ctx, w.jobs[0].Node, func(conn *fleet.Connection) error {
		inputs, err := w.part.inputs(job, conn)
		if err != nil {
			return err
		}
		answer, err = w.plan.Call(ctx, conn.Daemon, job, call, w.of(job, conn), inputs...)
		return err
	})
	return answer, err
}

// work is a build under way: its request is checked, its events are shown, and its
// platforms have nodes.
type work struct {
	Build
	plan   *solve.Plan
	stream *event.Stream
	events event.Emitter
	shown  *event.Subscription // nil until the display is open
	nodes  *fleet.View
	jobs   []fleet.Job
}

// begin does all that comes before the first solve. The caller ends the work.
func (b Build) begin(ctx context.Context) (_ *work, err error) {
	stream := cmp.Or(b.Events, event.NewStream())
	prepared := stream.Emitter().Begin("check the request")
	plan, err := b.prepare(ctx)
	prepared()
	if err != nil {
		stream.Emitter().Emit(event.Event{Failed: failed(err, dockerfile{})})
		return nil, err
	}
	w := &work{Build: b, plan: plan, stream: stream, events: stream.Emitter()}
	begun := false
	defer func() {
		if !begun {
			w.end(&err)
		}
	}()
	if w.shown, err = b.show(ctx, stream); err != nil {
		return nil, err
	}
	w.nodes = b.Fleet.View(w.events, b.part.affinity(plan))
	if w.jobs, err = w.assign(ctx); err != nil {
		return nil, err
	}
	b.tellUnclaimed(w.jobs)
	begun = true
	return w, nil
}

// show opens the display, but for a part of several builds, which have one together.
func (b Build) show(ctx context.Context, stream *event.Stream) (*event.Subscription, error) {
	if b.part != nil {
		return stream.Subscribe("display", b.part), nil
	}
	display, err := progress.Open(ctx, b.Terminal, b.Mode, b.title(), progress.RawOutput(b.RawOutput), progress.Steps(b.Steps))
	if err != nil {
		return nil, fault.With(fault.ClassUsage, fmt.Errorf("--progress=%s: %w", b.Mode, err))
	}
	return stream.Subscribe("display", b.reporter(display)), nil
}

// end closes what begin has opened; its own error counts where err has none.
func (w *work) end(err *error) {
	if *err != nil {
		w.events.Emit(event.Event{Failed: failed(*err, dockerfileOf(w.plan))})
	}
	if w.shown != nil {
		if closeErr := w.shown.End(); *err == nil {
			*err = closeErr
		}
		w.Fleet.WarnOfDrift()
	}
	closePlan(w.plan, err)
}

// reporter returns what shows the build: what a CI system has for its log takes the
// place of lines for people, not of data for a program or of a terminal's display.
func (b Build) reporter(display *progress.Display) ci.Reporter {
	if b.Reporter == nil || !display.Plain() {
		return display
	}
	return b.Reporter(display)
}

// assigned tells which jobs are done.
func (w *work) assigned(jobs []fleet.Job) {
	file := dockerfileOf(w.plan)
	assigned := &event.Assigned{Builder: w.Fleet.Definition().Name, Dockerfile: file.path, Git: file.git}
	for _, j := range jobs {
		node := w.Fleet.Definition().Nodes[j.Node].Name
		assigned.Nodes = append(assigned.Nodes, event.Assignment{Node: node, Platforms: fleet.FormatPlatforms(j.Platforms)})
	}
	w.events.Emit(event.Event{Assigned: assigned})
}

// of returns what emits the events of a job on a connection.
func (w *work) of(job job.Job, conn *fleet.Connection) event.Emitter {
	return w.events.Node(job.Node, fleet.FormatPlatforms(job.Platforms)...).Pod(conn.Pod)
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
			b.Log.Info().Msg(unclaimed(j.Unclaimed, b.Fleet.Definition().Nodes[j.Node].Name))
		}
	}
}

// unclaimed says that a node builds for platforms that none claims.
func unclaimed(list []ocispecs.Platform, node string) string {
	those, one := "it", "it"
	if len(list) > 1 {
		those, one = "them", "one of them"
	}
	return fmt.Sprintf("no node claims %s: node %s builds for %s; a step that runs for %s needs an emulator there", fleet.PlatformNames(list), node, those, one)
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
// the others: an output needs all of them. Where files of a failed step are wanted, a
// failure of the build itself does not: the others have files, too, if they fail.
func (w *work) solveAll(ctx context.Context) error {
	build := ctx
	group, ctx := errgroup.WithContext(ctx)
	stop := readAhead(ctx, readAheadAfter, func(ctx context.Context) {
		defer w.events.Begin("read the context ahead")()
		w.plan.ReadAhead(ctx)
	})
	defer stop()
	w.nodes.OnConnect(stop)
	var failure firstError
	for i, job := range w.solveJobs(w.jobs) {
		group.Go(fault.Guard(func() error {
			err := w.tryJob(ctx, w.jobs[i].Node, func(conn *fleet.Connection) error {
				return w.solve(ctx, job, conn)
			})
			if w.plan.KeepsGoing() && fault.ClassOf(err) == fault.ClassBuild {
				failure.set(err)
				return nil
			}
			return err
		}))
	}
	err := group.Wait()
	if first := failure.get(); first != nil && build.Err() == nil {
		return first
	}
	return err
}

// solve solves one job.
func (w *work) solve(ctx context.Context, job job.Job, conn *fleet.Connection) error {
	events := w.of(job, conn)
	defer events.Begin("solve")()
	begun := &event.SolveBegun{}
	if own := conn.Platforms(); len(own) > 0 {
		begun.Platform = platforms.Format(own[0])
	}
	inputs, err := w.part.inputs(job, conn)
	if err != nil {
		return err
	}
	events.Emit(event.Event{SolveBegun: begun})
	result, err := w.plan.Solve(ctx, conn.Daemon, job, events, inputs...)
	if err != nil && solve.HoldsPart(err) && ctx.Err() == nil && conn.CollectGarbage(ctx) == nil {
		w.Log.Debug().Str("node", job.Node).Err(err).Msg("the builder held a part of an image from a build that was interrupted: solving again")
		events.Emit(event.Event{SolveBegun: begun})
		result, err = w.plan.Solve(ctx, conn.Daemon, job, events, inputs...)
	}
	if err != nil {
		return err
	}
	events.Emit(event.Event{Solved: &event.Solved{
		Ref: result.Ref, Started: result.Started, Completed: result.Completed, Response: result.Response, Image: result.Descriptor,
	}})
	if err := w.keep(ctx, job, conn, result); err != nil {
		return &afterSolve{err}
	}
	if w.Provenance == "" {
		return nil
	}
	recorded, err := conn.Provenance(ctx, result.Ref, w.Provenance)
	if err != nil {
		return &afterSolve{err}
	}
	events.Emit(event.Event{Recorded: &event.Recorded{Provenance: recorded}})
	return nil
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
		died := error(nil)
		if class == fault.ClassLost && ctx.Err() == nil {
			died = conn.Death()
		}
		if ctx.Err() == nil && died == nil && try < solveTries && worthAnotherSolve(class, err) {
			w.events.Node(w.Fleet.Definition().Nodes[node].Name).Pod(conn.Pod).Emit(event.Event{BuilderLost: &event.BuilderLost{
				Error: err.Error(), Try: try + 1, Tries: solveTries,
			}})
			w.nodes.Drop(node, conn)
			continue
		}
		if class == fault.ClassLost {
			w.nodes.Drop(node, conn) // not for the fleet's next build either
			if err = fmt.Errorf("%s: lost: %w", conn, err); died != nil {
				err = died
			}
		}
		err = w.nodes.ExplainPending(ctx, node, err)
		err = w.located(node, class, err)
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
func (w *work) publish(ctx context.Context) error {
	defer w.events.Begin("publish")()
	names := w.plan.Publishes()
	w.events.Emit(event.Event{Publishing: &event.Publishing{Names: names}})
	outcome, err := commit(ctx, w.plan)
	if err != nil {
		w.events.Emit(event.Event{NotPublished: &event.NotPublished{Error: err.Error()}})
		return publishError(err)
	}
	w.events.Emit(event.Event{Published: &event.Published{
		Image: outcome.Descriptor, ConfigDigest: outcome.ConfigDigest, Names: outcome.Names, Merged: names, Images: outcome.Platforms,
		Outputs: written(w.plan),
	}})
	return nil
}

// written says what has become of the outputs.
func written(plan *solve.Plan) []event.Output {
	var all []event.Output
	for _, w := range plan.Written() {
		all = append(all, event.Output{
			Type: w.Type, Dest: sanitize.RedactURLs(w.Dest), Names: w.Names, Pushed: w.Pushed, Loaded: w.Loaded, Files: w.Files, Bytes: w.Bytes,
		})
	}
	return all
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
