package progress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-build/slipway/agent/buildkit/status"
	"github.com/slipway-build/slipway/agent/event"
)

// building is what the events so far say of the build. Only Consume uses it.
type building struct {
	builder string
	// several says that nodes are kept apart by their names.
	several bool
	// stages are the steps in which nodes are waited for.
	stages map[stage]*step
	// parts says that several builds are shown, each of which has nodes of its own.
	parts bool
	// publishing are the steps of what is published: of the build, or of parts by name.
	publishing map[string]*step
	summary    summary
	// running are the steps of nodes that have not ended, for a log of steps.
	running map[string]map[digest.Digest]*client.Vertex
}

// run notes which steps of a node are running.
func (b *building) run(node string, s *client.SolveStatus) {
	if b.running == nil {
		b.running = map[string]map[digest.Digest]*client.Vertex{}
	}
	if b.running[node] == nil {
		b.running[node] = map[digest.Digest]*client.Vertex{}
	}
	for _, v := range s.Vertexes {
		if v.Completed != nil {
			delete(b.running[node], v.Digest)
		} else if v.Started != nil {
			b.running[node][v.Digest] = v
		}
	}
}

// lost ends the steps of a node whose builder is gone: nobody else does.
func (b *building) lost(node string, now time.Time) *client.SolveStatus {
	s := &client.SolveStatus{}
	for _, v := range b.running[node] {
		ended := *v
		ended.Completed, ended.Error = &now, "builder lost: "+context.Canceled.Error()
		s.Vertexes = append(s.Vertexes, &ended)
	}
	delete(b.running, node)
	slices.SortFunc(s.Vertexes, func(a, b *client.Vertex) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

// stage is a node and what it is waited for.
type stage struct {
	node string
	what event.Stage
}

// stageNames are the names of their steps.
var stageNames = map[event.Stage]string{
	event.StageStart: "starting builder",
	event.StageReady: "ready",
}

// Why a step has failed is printed as the error of the whole command, with its
// hints; once is enough.
var (
	errNoConnection = errors.New("no connection, the reason is below")
	errNotPublished = errors.New("not published, the reason is below")
)

// Consume implements event.Consumer.
func (d *Display) Consume(e event.Event) error {
	d.build.summary.note(e)
	switch {
	case e.Assigned != nil:
		d.build.builder, d.build.several = e.Assigned.Builder, d.build.parts || len(e.Assigned.Nodes) > 1
	case e.Waiting != nil:
		d.stage(e.Node, e.Waiting.Stage).say(e.Waiting.Reason)
	case e.Connected != nil:
		d.endStage(e.Node, event.StageStart, nil)
	case e.Ready != nil:
		d.stage(e.Node, event.StageReady).say(readyLine(e))
		d.endStage(e.Node, event.StageReady, nil)
	case e.NodeFailed != nil:
		d.endStage(e.Node, e.NodeFailed.Stage, errNoConnection)
	case e.Progress != nil:
		s := status.Of(e.Progress)
		if d.build.several {
			s = relabel(s, e.Node, d.label(e))
		}
		if d.form != nil {
			d.build.run(e.Node, s)
		}
		d.send(s)
	case e.BuilderLost != nil:
		if d.form != nil {
			d.send(d.build.lost(e.Node, time.Now()))
		}
		step := d.step("[" + e.Node + "] builder lost")
		step.say(fmt.Sprintf("%s: %s; solving again (%d of %d)", podName(e), e.BuilderLost.Error, e.BuilderLost.Try, e.BuilderLost.Tries))
		step.done(nil)
	case e.Publishing != nil:
		step := d.publish(e.Node)
		if names := e.Publishing.Names; len(names) > 0 {
			step.say("merging what the nodes have pushed into " + strings.Join(names, ", "))
		}
	case e.Published != nil && d.build.publishing[e.Node] != nil:
		if e.Published.Image != nil {
			for _, name := range e.Published.Merged {
				d.build.publishing[e.Node].say(fmt.Sprintf("%s is %s", name, e.Published.Image.Digest))
			}
		}
		d.build.publishing[e.Node].done(nil)
	case e.NotPublished != nil && d.build.publishing[e.Node] != nil:
		d.build.publishing[e.Node].done(errNotPublished)
	}
	return nil
}

// publish begins the step of what is published; part is empty for a build alone.
func (d *Display) publish(part string) *step {
	if d.build.publishing == nil {
		d.build.publishing = map[string]*step{}
	}
	s := d.step("[" + cmp.Or(part, d.build.builder) + "] publishing")
	d.build.publishing[part] = s
	return s
}

// label returns what tells the steps of one of several nodes from those of the others:
// the name of the node, as in docker buildx, or in a log of steps the platform, where
// the node has one only. The name of a step may say the platform itself.
func (d *Display) label(e event.Event) func(name string) string {
	switch {
	case d.form == nil || d.build.parts:
	case len(e.Platforms) == 1:
		return func(name string) string {
			if laneOf(name, false) != "" {
				return name
			}
			return prefix(name, e.Platforms[0])
		}
	default:
		return func(name string) string {
			if laneOf(name, false) != "" {
				return name
			}
			return prefix(name, e.Node)
		}
	}
	return func(name string) string { return prefix(name, e.Node) }
}

// stage returns the step in which a node is waited for.
func (d *Display) stage(node string, what event.Stage) *step {
	key := stage{node, what}
	if d.build.stages[key] == nil {
		if d.build.stages == nil {
			d.build.stages = map[stage]*step{}
		}
		d.build.stages[key] = d.step("[" + node + "] " + stageNames[what])
	}
	return d.build.stages[key]
}

// endStage ends the step: the next wait for the node has one of its own.
func (d *Display) endStage(node string, what event.Stage, err error) {
	d.stage(node, what).done(err)
	delete(d.build.stages, stage{node, what})
}

// podName names the place of an event in a line.
func podName(e event.Event) string {
	if e.Pod == "" {
		return "builder"
	}
	return "pod " + e.Pod
}

// readyLine says what is ready.
func readyLine(e event.Event) string {
	builds := "nothing known"
	if len(e.Platforms) > 0 {
		builds = strings.Join(e.Platforms, ", ")
	}
	line := fmt.Sprintf("%s: BuildKit %s for %s", podName(e), e.Ready.BuildKit, builds)
	if e.Ready.Wanted > 0 {
		line += fmt.Sprintf(", %d of %d pods ready", e.Ready.Pods, e.Ready.Wanted)
	}
	return line
}
