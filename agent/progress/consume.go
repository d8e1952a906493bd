package progress

import (
	"errors"
	"fmt"
	"strings"

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
	// publishing is nil before.
	publishing *step
	summary    summary
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
		d.build.builder, d.build.several = e.Assigned.Builder, len(e.Assigned.Nodes) > 1
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
		d.send(s)
	case e.BuilderLost != nil:
		step := d.step("[" + e.Node + "] builder lost")
		step.say(fmt.Sprintf("%s: %s; solving again (%d of %d)", podName(e), e.BuilderLost.Error, e.BuilderLost.Try, e.BuilderLost.Tries))
		step.done(nil)
	case e.Publishing != nil:
		d.build.publishing = d.step("[" + d.build.builder + "] publishing")
		if names := e.Publishing.Names; len(names) > 0 {
			d.build.publishing.say("merging what the nodes have pushed into " + strings.Join(names, ", "))
		}
	case e.Published != nil && d.build.publishing != nil:
		if e.Published.Image != nil {
			for _, name := range e.Published.Merged {
				d.build.publishing.say(fmt.Sprintf("%s is %s", name, e.Published.Image.Digest))
			}
		}
		d.build.publishing.done(nil)
	case e.NotPublished != nil && d.build.publishing != nil:
		d.build.publishing.done(errNotPublished)
	}
	return nil
}

// label returns what tells the steps of one of several nodes from those of the others:
// the name of the node, as in docker buildx, or in a log of steps the platform, where
// the node has one only. The name of a step may say the platform itself.
func (d *Display) label(e event.Event) func(name string) string {
	switch {
	case d.form == nil:
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
