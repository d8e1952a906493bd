package builders

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/buildkit/status"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// History is what all pods of all nodes of a builder have built.
type History struct {
	Definition configmap.Definition
	Access     cluster.Access
	// Timeout bounds how long the pods may take to tell what is in their histories;
	// zero is no bound.
	Timeout time.Duration
	Log     zerolog.Logger
}

// PodBuild is a build in the history of one pod.
type PodBuild struct {
	buildkit.BuildRecord
	Builder, Node string
	// Pod is empty with the remote driver.
	Pod string
}

// FullRef is the build's name as buildx.build.ref of a metadata file has it.
func (b PodBuild) FullRef() string { return b.Builder + "/" + b.Node + "/" + b.Ref }

// HistoryLimit is how many builds of each pod List returns at most, the latest ones,
// as docker buildx history ls does.
const HistoryLimit = 50

// List returns the builds that the filter chooses: those that run first, then the
// latest. It returns those of the pods that answered beside an error of others.
func (h History) List(ctx context.Context, filter buildkit.RecordFilter) ([]PodBuild, error) {
	builds, err := h.query(ctx, h.Definition.Nodes, buildkit.RecordQuery{Filter: filter, Limit: HistoryLimit})
	slices.SortStableFunc(builds, func(a, b PodBuild) int {
		switch running := a.CompletedAt.IsZero(); {
		case running == b.CompletedAt.IsZero():
			return 0
		case running:
			return -1
		}
		return 1
	})
	return builds, err
}

// query asks the pods of the nodes. The builds are sorted, the latest first.
func (h History) query(ctx context.Context, nodes []configmap.Node, q buildkit.RecordQuery) ([]PodBuild, error) {
	ctx, cancel := within(ctx, h.Timeout)
	defer cancel()
	var mu sync.Mutex
	var builds []PodBuild
	asked := 0
	absent := func(node configmap.Node) {
		h.Log.Warn().Str("node", node.Name).Msg("no pod of it runs, so its history is left out")
	}
	err := h.connector().EveryPod(ctx, nodes, absent, func(ctx context.Context, node configmap.Node, pod string, d *buildkit.Daemon) error {
		records, err := d.Records(ctx, q)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		asked++
		for _, r := range records {
			builds = append(builds, PodBuild{BuildRecord: r, Builder: h.Definition.Name, Node: node.Name, Pod: pod})
		}
		return nil
	})
	slices.SortFunc(builds, func(a, b PodBuild) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Ref, b.Ref))
	})
	if err == nil && asked == 0 {
		err = fault.With(fault.ClassCluster, &nothingRuns{h.Definition.Name})
	}
	return builds, err
}

func (h History) connector() *fleet.Connector {
	connector := (&fleet.Clients{Access: h.Access, Log: h.Log}).Connector()
	connector.AnswerWithin = h.Timeout
	return connector
}

// find returns the builds that a reference names: several where nodes share an ID.
// That a pod has not answered matters only where the build may be in its history.
func (h History) find(ctx context.Context, ref BuildRef, completed bool) ([]PodBuild, error) {
	nodes, err := h.nodesOf(ref)
	if err != nil {
		return nil, err
	}
	q := buildkit.RecordQuery{Ref: ref.ID, Completed: completed}
	if ref.ID == "" && !completed {
		q.Limit = int32(min(ref.Offset, 1<<30)) + 1 //nolint:gosec // it is bounded
	}
	builds, err := h.query(ctx, nodes, q)
	switch {
	case err != nil && (ref.ID == "" || len(builds) == 0 || ctx.Err() != nil):
		return nil, err
	case err != nil:
		h.Log.Warn().Err(err).Msg("not all pods have answered")
	}
	return h.choose(builds, ref)
}

// nodesOf are the nodes in whose histories the build may be.
func (h History) nodesOf(ref BuildRef) ([]configmap.Node, error) {
	if ref.Builder != "" && ref.Builder != h.Definition.Name {
		return nil, fault.With(fault.ClassUsage, fmt.Errorf("build %s: is one of builder %q, not of %q", ref, ref.Builder, h.Definition.Name))
	}
	if ref.Node == "" {
		return h.Definition.Nodes, nil
	}
	at := slices.IndexFunc(h.Definition.Nodes, func(n configmap.Node) bool { return n.Name == ref.Node })
	if at < 0 {
		return nil, fault.With(fault.ClassUsage, fmt.Errorf("build %s: builder %q has no node %q", ref, h.Definition.Name, ref.Node))
	}
	return h.Definition.Nodes[at : at+1], nil
}

// choose returns those of the builds that a reference names.
func (h History) choose(builds []PodBuild, ref BuildRef) ([]PodBuild, error) {
	var chosen []PodBuild
	if ref.ID == "" {
		chosen = builds[min(ref.Offset, len(builds)):min(ref.Offset+1, len(builds))]
	}
	for _, b := range builds {
		if b.Ref == ref.ID && (ref.Node == "" || b.Node == ref.Node) && (ref.Builder == "" || b.Builder == ref.Builder) {
			chosen = append(chosen, b)
		}
	}
	if len(chosen) == 0 {
		return nil, fault.With(fault.ClassUsage, &noSuchBuild{ref: ref.String(), builder: h.Definition.Name})
	}
	return chosen, nil
}

// connect connects to the pod that has a build in its history.
func (h History) connect(ctx context.Context, connector *fleet.Connector, b PodBuild) (*buildkit.Daemon, error) {
	at := slices.IndexFunc(h.Definition.Nodes, func(n configmap.Node) bool { return n.Name == b.Node })
	d, err := connector.ConnectTo(ctx, h.Definition.Nodes[at], b.Pod)
	if err != nil {
		return nil, fault.With(fleet.ClassOf(err), err)
	}
	return d, nil
}

// where puts the place of a build in front of an error.
func (b PodBuild) where(err error) error {
	if err == nil {
		return nil
	}
	class := fault.ClassOf(err)
	if class == 0 {
		class = fleet.ClassOf(err)
	}
	if b.Pod == "" {
		return fault.With(class, fmt.Errorf("node %s: %w", b.Node, err))
	}
	return fault.With(class, fmt.Errorf("node %s: pod %s: %w", b.Node, b.Pod, err))
}

// with calls do with the latest build that the reference names and a connection to
// its pod.
func (h History) with(ctx context.Context, ref BuildRef, do func(PodBuild, *buildkit.Daemon) error) error {
	builds, err := h.find(ctx, ref, false)
	if err != nil {
		return err
	}
	d, err := h.connect(ctx, h.connector(), builds[0])
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // what was asked for has been answered
	if err := do(builds[0], d); err != nil {
		if ctx.Err() != nil {
			return fault.With(fault.ClassCancelled, context.Cause(ctx))
		}
		return builds[0].where(err)
	}
	return nil
}

// Logs shows what a build has reported, and goes on while it runs.
func (h History) Logs(ctx context.Context, ref BuildRef, terminal *progress.Terminal, mode progress.Mode) error {
	return h.with(ctx, ref, func(b PodBuild, d *buildkit.Daemon) (err error) {
		display, err := progress.Open(ctx, terminal, mode, fmt.Sprintf("build %s on node %s", b.Ref, b.Node))
		if err != nil {
			return fault.With(fault.ClassUsage, fmt.Errorf("--progress=%s: %w", mode, err))
		}
		events := event.NewStream()
		shown := events.Subscribe("display", display)
		defer func() {
			if closeErr := shown.End(); err == nil {
				err = closeErr
			}
		}()
		emit := events.Emitter().Node(b.Node).Pod(b.Pod)
		for report, err := range d.RecordProgress(ctx, b.Ref) {
			if err != nil {
				return err
			}
			emit.Emit(event.Event{Progress: status.Progress(report)})
		}
		return nil
	})
}

// BuildDetails is a build and what its pod tells of it beside its record.
type BuildDetails struct {
	PodBuild
	buildkit.RecordDetails
}

// Inspect returns what is known of a build.
func (h History) Inspect(ctx context.Context, ref BuildRef) (BuildDetails, error) {
	var details BuildDetails
	err := h.with(ctx, ref, func(b PodBuild, d *buildkit.Daemon) error {
		ctx, cancel := within(ctx, h.Timeout)
		defer cancel()
		more, err := d.RecordDetails(ctx, b.BuildRecord)
		details = BuildDetails{b, more}
		return err
	})
	return details, err
}

// Attachment writes the first attachment of a build that is wanted to out, byte for
// byte.
func (h History) Attachment(ctx context.Context, ref BuildRef, want buildkit.WantedAttachment, out io.Writer) error {
	return h.with(ctx, ref, func(b PodBuild, d *buildkit.Daemon) error {
		return d.CopyAttachment(ctx, b.BuildRecord, want, out)
	})
}

// Remove removes builds from the histories of the pods that have them; all that the
// references name are found before the first is removed.
func (h History) Remove(ctx context.Context, refs []BuildRef) error {
	// All are asked for, and not each by its ID: a buildkitd that was asked for one
	// only marks it as removed, until it starts again.
	all, failed := h.query(ctx, h.Definition.Nodes, buildkit.RecordQuery{})
	var builds []PodBuild
	var missing fault.List
	for _, ref := range refs {
		found, err := h.choose(all, ref)
		if err != nil {
			missing = append(missing, err)
		}
		builds = append(builds, found...)
	}
	switch {
	case failed != nil && (len(missing) > 0 || slices.ContainsFunc(refs, func(r BuildRef) bool { return r.ID == "" })):
		return failed
	case failed != nil:
		h.Log.Warn().Err(failed).Msg("not all pods have answered")
	case len(missing) > 0:
		return fault.With(fault.ClassUsage, missing)
	}
	byPod := map[string][]string{}
	for _, b := range builds {
		key := b.Node + "/" + b.Pod
		if !slices.Contains(byPod[key], b.Ref) {
			byPod[key] = append(byPod[key], b.Ref)
		}
	}
	return h.removeFrom(ctx, func(_ context.Context, node, pod string, _ *buildkit.Daemon) ([]string, error) {
		return byPod[node+"/"+pod], nil
	})
}

// RemoveAll removes all builds that have ended from the histories of all pods.
func (h History) RemoveAll(ctx context.Context) error {
	return h.removeFrom(ctx, func(ctx context.Context, _, _ string, d *buildkit.Daemon) ([]string, error) {
		records, err := d.Records(ctx, buildkit.RecordQuery{Completed: true})
		var refs []string
		for _, r := range records {
			refs = append(refs, r.Ref)
		}
		return refs, err
	})
}

func (h History) removeFrom(ctx context.Context, refs func(ctx context.Context, node, pod string, d *buildkit.Daemon) ([]string, error)) error {
	var asked sync.Once
	none := true
	absent := func(node configmap.Node) {
		h.Log.Warn().Str("node", node.Name).Msg("no pod of it runs, so its history is left out")
	}
	err := h.connector().EveryPod(ctx, h.Definition.Nodes, absent, func(ctx context.Context, node configmap.Node, pod string, d *buildkit.Daemon) error {
		asked.Do(func() { none = false })
		list, err := refs(ctx, node.Name, pod, d)
		errs := []error{err}
		for _, ref := range list {
			errs = append(errs, d.RemoveRecord(ctx, ref))
		}
		return errors.Join(errs...)
	})
	if err == nil && none {
		err = fault.With(fault.ClassCluster, &nothingRuns{h.Definition.Name})
	}
	return err
}

// noSuchBuild is a reference that names no build of the history.
type noSuchBuild struct{ ref, builder string }

func (e *noSuchBuild) Error() string {
	if e.ref == "" {
		return fmt.Sprintf("the history of builder %q has no builds", e.builder)
	}
	return fmt.Sprintf("build %s: is not in the history of builder %q", e.ref, e.builder)
}

// Hints say why, and where to look.
func (e *noSuchBuild) Hints() []string {
	return []string{
		"a pod keeps the builds of two days and at least the last 50, and only as long as its disk",
		"list them: slipway history ls --builder " + e.builder,
	}
}
