package agent

import (
	"context"
	"fmt"
	"slices"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/configmap"
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
	// StickyKey makes builds of the same thing choose the same pod.
	StickyKey string

	Terminal *progress.Terminal
	Mode     progress.Mode
	Log      zerolog.Logger
}

// Run checks what was asked before the cluster is touched, makes sure that the
// builders run, solves on all of them at once and lets the outputs appear
// when every node has succeeded. Its errors have a Class.
func (b Build) Run(ctx context.Context) (err error) {
	plan, err := solve.Prepare(ctx, b.Request)
	if err != nil {
		return classify(ClassUsage, err)
	}
	defer func() {
		if closeErr := plan.Close(); err == nil {
			err = closeErr
		}
	}()
	for _, warning := range plan.Warnings() {
		b.Log.Warn().Msg(warning)
	}
	if err := b.claimable(); err != nil {
		return err
	}
	if err := b.checkOutputs(); err != nil {
		return err
	}
	display, err := progress.Open(ctx, b.Terminal, b.Mode, b.title())
	if err != nil {
		return classify(ClassUsage, fmt.Errorf("--progress=%s: %w", b.Mode, err))
	}
	defer func() {
		if closeErr := display.Close(); err == nil {
			err = closeErr
		}
	}()
	fleet := newFleet(b.Definition, &connector{access: b.Access, key: b.StickyKey, log: b.Log}, display)
	defer fleet.Close()

	jobs, err := fleet.assign(ctx, b.Platforms)
	if err != nil {
		return err
	}
	if err := b.solveAll(ctx, fleet, plan, jobs); err != nil {
		return err
	}
	// What cannot be put in place now is the output that was asked for.
	return classify(ClassUsage, plan.Commit())
}

// claimable fails when the definition alone shows that a wanted platform has
// no node.
func (b Build) claimable() error {
	claims := declared(b.Definition)
	_, missing := assign(b.Platforms, claims)
	for _, p := range missing {
		if !slices.ContainsFunc(claims, func(c claim) bool { return c.mayHave(p) }) {
			return classify(ClassUsage, &unclaimed{builder: b.Definition.Name, missing: missing, claims: claims})
		}
	}
	return nil
}

// checkOutputs says what becomes of a build without outputs, which docker buildx
// decides by the definition.
func (b Build) checkOutputs() error {
	if len(b.Request.Outputs) > 0 {
		return nil
	}
	for _, n := range b.Definition.Nodes {
		if n.DefaultLoad() {
			return classify(ClassUsage, &noLoad{builder: b.Definition.Name, node: n.Name})
		}
	}
	b.Log.Warn().Msgf("no output given for builder %q: the result only remains in its build cache; to get files use --output type=local,dest=DIR", b.Definition.Name)
	return nil
}

// noLoad is the error for a definition whose default output is not there.
type noLoad struct{ builder, node string }

func (e *noLoad) Error() string {
	return fmt.Sprintf("builder %q: node %s: driver-opt default-load asks for type=docker when no output is given, which is not supported", e.builder, e.node)
}

// Hints implements the convention for errors that say what to do next.
func (e *noLoad) Hints() []string {
	return []string{"give an output: --output type=local,dest=DIR"}
}

func (b Build) title() string {
	return fmt.Sprintf("building with %q on %s", b.Definition.Name, b.Definition.Driver)
}

// solveAll solves every job on its node, all at once. The first failure ends
// the others: an output needs all of them.
func (b Build) solveAll(ctx context.Context, fleet *fleet, plan *solve.Plan, jobs []job) error {
	group, ctx := errgroup.WithContext(ctx)
	total := 0
	for _, j := range jobs {
		total += len(j.platforms)
	}
	for _, j := range jobs {
		group.Go(func() error {
			work := solve.Job{Node: b.Definition.Nodes[j.node].Name, Platforms: j.platforms, Single: total <= 1}
			label := ""
			if len(jobs) > 1 {
				label = work.Node
			}
			return solveJob(ctx, fleet, plan, j.node, work, label)
		})
	}
	return group.Wait()
}

// solveJob solves one job and does it again, on another pod where there is
// one, when the builder gets lost. A failure of the build itself is final.
func solveJob(ctx context.Context, fleet *fleet, plan *solve.Plan, node int, work solve.Job, label string) error {
	for try := 1; ; try++ {
		conn, err := fleet.connect(ctx, node)
		if err != nil {
			return err
		}
		_, err = conn.Solve(ctx, plan, work, fleet.display.Solve(label))
		if err == nil {
			return nil
		}
		class := classOf(solve.Classify(err))
		if class == ClassLost && ctx.Err() == nil && try < solveTries {
			step := fleet.display.Step("[" + work.Node + "] builder lost")
			step.Say(fmt.Sprintf("%s: %v; solving again (%d of %d)", conn, err, try+1, solveTries))
			step.Done(nil)
			fleet.drop(node)
			continue
		}
		if class == ClassLost {
			err = fmt.Errorf("%s: lost: %w", conn, err)
		}
		if class == 0 {
			return err
		}
		return classify(class, err)
	}
}

// classOf translates what solve knows of an error.
func classOf(kind solve.Kind) Class {
	switch kind {
	case solve.KindBuild:
		return ClassBuild
	case solve.KindUsage:
		return ClassUsage
	case solve.KindLost:
		return ClassLost
	case solve.KindRegistry:
		return ClassRegistry
	case solve.KindCancelled:
		return ClassCancelled
	}
	return 0
}
