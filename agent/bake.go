package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/report"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/internal/fault"
)

// Target is one build of a Bake.
type Target struct {
	// Name is unique in the Bake.
	Name    string
	Request solve.Request
	// Platforms are as those of a Build.
	Platforms  []ocispecs.Platform
	Provenance buildkit.ProvenanceMode
	// Links are the contexts that are results of other targets: their names, as
	// solve.ContextName returns them, and those of the targets.
	Links map[string]string
	// Linked says that nothing but links needs the target.
	Linked bool
}

// Bake is several builds on one fleet at once, some of which have the results of others
// as contexts. Those are built once on each pod that needs them.
type Bake struct {
	// Build has what the builds have in common: fleet, display, log.
	Build
	Targets []Target
	// Parallel bounds the builds at the same time; 0 for no bound.
	Parallel int
	// KeepGoing builds the other targets to their end when one has failed.
	KeepGoing bool
}

// Baked is what has become of a target.
type Baked struct {
	Name   string
	Report *report.Report // nil where it has failed, and for one that only links need
	// Err is why it has failed; errNotBuilt where another one was the reason.
	Err error
}

// errNotBuilt ends the builds that go on when another one has failed.
var errNotBuilt = errors.New("ended, for another target has failed")

// Run builds all targets. The error is that of the target that has failed first, or of
// all that have.
func (b Bake) Run(ctx context.Context) (all []Baked, err error) {
	shown := event.NewStream()
	display, err := progress.Open(ctx, b.Terminal, b.Mode, b.title(), progress.RawOutput(b.RawOutput), progress.Steps(b.Steps), progress.Parts())
	if err != nil {
		return nil, fault.With(fault.ClassUsage, fmt.Errorf("--progress=%s: %w", b.Mode, err))
	}
	subscription := shown.Subscribe("display", b.reporter(display))
	defer func() {
		if closeErr := subscription.End(); err == nil {
			err = closeErr
		}
		b.Fleet.WarnOfDrift()
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &shared{ctx: ctx, bake: b, shown: shown, linked: map[string]*linked{}, held: map[holdKey]*hold{}, shownSteps: map[string]bool{}}
	defer s.close(&err)
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	var group errgroup.Group
	if b.Parallel > 0 {
		group.SetLimit(b.Parallel)
	}
	all = make([]Baked, len(b.Targets))
	for i, target := range b.Targets {
		all[i].Name = target.Name
		if target.Linked {
			continue
		}
		group.Go(fault.Guard(func() error {
			if ctx.Err() != nil {
				all[i].Err = context.Cause(ctx)
				return nil
			}
			made, err := s.build(target).Run(ctx)
			all[i].Report, all[i].Err = made, err
			if err != nil && !b.KeepGoing {
				cancel(errNotBuilt)
			}
			return nil
		}))
	}
	if err := group.Wait(); err != nil {
		return all, err
	}
	return all, failures(all)
}

// failures is the error of targets that have failed by themselves; nil for none.
func failures(all []Baked) error {
	var list fault.List
	var ended error
	told := map[*linkedError]bool{} // by a target that has it as a context as well
	for _, t := range all {
		linked := failedLink(t.Err)
		switch {
		case t.Err == nil:
		case errors.Is(t.Err, errNotBuilt):
			ended = t.Err
		case linked != nil && told[linked]:
		default:
			if linked != nil {
				told[linked] = true
			}
			list = append(list, fault.Prefixed("target "+t.Name, t.Err))
		}
	}
	switch {
	case len(list) == 1:
		return list[0]
	case len(list) > 1:
		return fault.With(fault.ClassOf(list[0]), list)
	}
	return ended
}

// failedLink is the failure of a context that an error begins with, the innermost one of
// contexts of contexts; nil for none.
func failedLink(err error) (innermost *linkedError) {
	for errors.As(err, &innermost) {
		err = innermost.err
	}
	return innermost
}

// shared is what the builds of a Bake have in common while it runs.
type shared struct {
	ctx    context.Context //nolint:containedctx // what is held outlives the build that needs it first
	bake   Bake
	shown  *event.Stream
	linked map[string]*linked // by target
	files  solve.Shared

	mu   sync.Mutex
	held map[holdKey]*hold
	// shownSteps are the steps of targets that are held, by node.
	shownSteps map[string]bool
}

// linked is a target that others have as a context.
type linked struct {
	target Target
	plan   *solve.Plan
	stream *event.Stream
	part   *part
	shown  *event.Subscription
	// affinity is that of all targets which it is linked with.
	affinity string
}

// prepare opens the targets that others need.
func (s *shared) prepare(ctx context.Context) error {
	byName := map[string]Target{}
	for _, t := range s.bake.Targets {
		byName[t.Name] = t
	}
	for _, t := range s.bake.Targets {
		for _, name := range t.Links {
			if s.linked[name] != nil {
				continue
			}
			l := &linked{target: byName[name], stream: event.NewStream()}
			b := s.bake.Build
			b.Request, b.Platforms = l.target.Request, l.target.Platforms
			b.Request.Outputs, b.Request.Annotations, b.Request.CacheTo = nil, nil, nil
			b.Request.Shared = &s.files
			plan, err := b.prepare(ctx)
			if err != nil {
				return fault.Prefixed("target "+name, err)
			}
			l.plan = plan
			l.part = &part{shared: s, target: l.target}
			l.shown = l.stream.Subscribe("display", l.part)
			s.linked[name] = l
		}
	}
	s.join()
	return nil
}

// join gives targets that are linked with each other one affinity, so that they go to
// one pod: that of the first one by name.
func (s *shared) join() {
	first := map[string]string{} // the first name that a target is linked with
	for name := range s.linked {
		first[name] = name
	}
	for changed := true; changed; {
		changed = false
		for _, t := range s.bake.Targets {
			least := ""
			for _, name := range append(slices.Collect(maps.Values(t.Links)), t.Name) {
				if known := first[name]; known != "" && (least == "" || known < least) {
					least = known
				}
			}
			for _, name := range append(slices.Collect(maps.Values(t.Links)), t.Name) {
				if least != "" && first[name] != least {
					first[name], changed = least, true
				}
			}
		}
	}
	for name, l := range s.linked {
		l.affinity = first[name]
	}
}

// build is the build of a target.
func (s *shared) build(t Target) Build {
	b := s.bake.Build
	b.Request, b.Platforms, b.Provenance, b.Events = t.Request, t.Platforms, t.Provenance, nil
	b.Request.Shared = &s.files
	b.part = &part{shared: s, target: t}
	return b
}

// close releases what is held, and closes what prepare has opened.
func (s *shared) close(err *error) {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	var releases sync.WaitGroup
	for _, h := range held {
		releases.Go(fault.Protect(func() {
			<-h.done
			if h.held != nil {
				h.held.Release()
			}
		}))
	}
	releases.Wait()
	for _, l := range s.linked {
		if endErr := l.shown.End(); *err == nil {
			*err = endErr
		}
		closePlan(l.plan, err)
	}
}

// holdKey is where a result is held, and which.
type holdKey struct {
	target, platforms string
	conn              *fleet.Connection
}

// hold is a result that is held, once done is closed.
type hold struct {
	done chan struct{}
	held *solve.Linked
	err  error
}

// hold returns the result of a target on a pod; it is made once.
func (s *shared) hold(name string, j job.Job, conn *fleet.Connection) (*solve.Linked, error) {
	l := s.linked[name]
	j.Platforms = linkedPlatforms(l.target.Platforms, j.Platforms)
	key := holdKey{name, strings.Join(fleet.FormatPlatforms(j.Platforms), ","), conn}
	s.mu.Lock()
	h := s.held[key]
	if h == nil {
		h = &hold{done: make(chan struct{})}
		s.held[key] = h
		go fault.Protect(func() {
			defer close(h.done)
			var err error
			if h.held, err = s.make(l, j, conn); err != nil {
				h.err = &linkedError{target: name, err: err} // one for all that wait: it is told once
			}
		})()
	}
	s.mu.Unlock()
	<-h.done
	return h.held, h.err
}

// linkedError is the failure of a target that is a context of another one.
type linkedError struct {
	target string
	err    error
}

// Error implements error.
func (e *linkedError) Error() string { return fmt.Sprintf("target %s: %v", e.target, e.err) }

// Unwrap returns why it has failed.
func (e *linkedError) Unwrap() error { return e.err }

func (s *shared) make(l *linked, j job.Job, conn *fleet.Connection) (*solve.Linked, error) {
	inputs, err := l.part.inputs(j, conn)
	if err != nil {
		return nil, err
	}
	events := l.stream.Emitter().Node(j.Node, fleet.FormatPlatforms(j.Platforms)...).Pod(conn.Pod)
	events.Emit(event.Event{SolveBegun: &event.SolveBegun{}})
	return l.plan.Hold(s.ctx, conn.Daemon, j, l.target.Name, inputs, events)
}

// linkedPlatforms are those for which a context is built that has platforms of its own:
// those that are wanted, if it is built for any of them.
func linkedPlatforms(own, wanted []ocispecs.Platform) []ocispecs.Platform {
	if len(own) == 0 {
		return wanted
	}
	var both []ocispecs.Platform
	for _, p := range wanted {
		if slices.ContainsFunc(own, func(o ocispecs.Platform) bool { return platforms.OnlyStrict(o).Match(p) }) {
			both = append(both, p)
		}
	}
	if len(both) == 0 {
		return own
	}
	return both
}

// part is a target's place in a Bake. A nil part is that of a build alone.
type part struct {
	shared *shared
	target Target
}

// Consume implements event.Consumer: it passes the events of the target on to the
// display of all. Their nodes bear the name of the target.
func (p *part) Consume(e event.Event) error {
	node := p.target.Name
	if e.Node != "" && len(p.shared.bake.Fleet.Definition().Nodes) > 1 {
		node += " " + e.Node
	}
	if e.Assigned != nil {
		assigned := *e.Assigned
		assigned.Nodes = slices.Clone(assigned.Nodes)
		for i := range assigned.Nodes {
			if len(p.shared.bake.Fleet.Definition().Nodes) > 1 {
				assigned.Nodes[i].Node = p.target.Name + " " + assigned.Nodes[i].Node
			} else {
				assigned.Nodes[i].Node = p.target.Name
			}
		}
		e.Assigned = &assigned
	}
	if e.Progress != nil {
		e.Progress = p.shared.once(e, p.target)
	}
	p.shared.shown.Emitter().Node(node, e.Platforms...).Pod(e.Pod).Emit(e)
	return nil
}

// once is the progress of a target without the steps of its contexts that are targets
// themselves: those are shown as theirs.
func (s *shared) once(e event.Event, t Target) *event.Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.linked[t.Name] != nil && t.Linked {
		for _, v := range e.Progress.Vertexes {
			s.shownSteps[e.Node+" "+v.Digest] = true
		}
	}
	if len(t.Links) == 0 || t.Linked {
		return e.Progress
	}
	known := func(digest string) bool { return s.shownSteps[e.Node+" "+digest] }
	return &event.Progress{
		Vertexes: slices.DeleteFunc(slices.Clone(e.Progress.Vertexes), func(v *event.Vertex) bool { return known(v.Digest) }),
		Statuses: slices.DeleteFunc(slices.Clone(e.Progress.Statuses), func(v *event.Status) bool { return known(v.Vertex) }),
		Logs:     slices.DeleteFunc(slices.Clone(e.Progress.Logs), func(v *event.Log) bool { return known(v.Vertex) }),
		Warnings: e.Progress.Warnings,
	}
}

// affinity is what chooses among several pods of a node.
func (p *part) affinity(plan *solve.Plan) func() string {
	if p == nil {
		return plan.Affinity
	}
	for _, name := range append([]string{p.target.Name}, slices.Sorted(maps.Values(p.target.Links))...) {
		if l := p.shared.linked[name]; l != nil {
			return p.shared.linked[l.affinity].plan.Affinity
		}
	}
	return plan.Affinity
}

// inputs are the contexts of the target that are other targets, on the pod of a
// connection.
func (p *part) inputs(j job.Job, conn *fleet.Connection) ([]solve.Input, error) {
	if p == nil {
		return nil, nil
	}
	var all []solve.Input
	for _, context := range slices.Sorted(maps.Keys(p.target.Links)) {
		held, err := p.shared.hold(p.target.Links[context], j, conn)
		if err != nil {
			return nil, err
		}
		all = append(all, solve.Input{Context: context, Linked: held})
	}
	return all, nil
}
