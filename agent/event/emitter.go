package event

import (
	"slices"
	"time"
)

// Emitter emits events of one place, such as a node. It is passed down to who does
// the work. The zero Emitter drops all.
type Emitter struct {
	stream    *Stream
	node, pod string
	platforms []string
}

// Node returns an emitter for a node and what it builds for, which is empty as long
// as that is not known.
func (e Emitter) Node(name string, platforms ...string) Emitter {
	e.node, e.platforms, e.pod = name, slices.Clone(platforms), ""
	return e
}

// Pod returns an emitter for a pod of the node.
func (e Emitter) Pod(name string) Emitter {
	e.pod = name
	return e
}

// Emit emits an event. Time and place are filled in.
func (e Emitter) Emit(what Event) {
	what.Node, what.Platforms, what.Pod = e.node, e.platforms, e.pod
	e.stream.emit(what)
}

// Begin notes that something begins. The returned function ends it with a Span.
func (e Emitter) Begin(what string) (end func()) {
	if e.stream == nil {
		return func() {}
	}
	from := time.Now()
	return func() { e.Since(what, from) }
}

// Since emits a Span of what has gone on since then and ends now.
func (e Emitter) Since(what string, from time.Time) {
	now := time.Now()
	e.Emit(Event{Time: now, Span: &Span{What: what, From: from, To: now}})
}

// Observe returns Begin for those who tell of requests; nil where nobody listens.
func (e Emitter) Observe() func(what string) (end func()) {
	if e.stream == nil {
		return nil
	}
	return e.Begin
}

// Wait returns a function that says, in a line, what a node is waited for.
func (e Emitter) Wait(stage Stage) func(reason string) {
	return func(reason string) { e.Emit(Event{Waiting: &Waiting{Stage: stage, Reason: reason}}) }
}
