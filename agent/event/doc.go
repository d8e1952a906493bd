// Package event is what happens in a build, as one stream of typed events: nodes
// are assigned, pods waited for, builders connected and lost, steps started and
// ended, images published. Whoever does something of that kind emits an event;
// whoever shows, measures or reports it consumes the stream (Stream.Subscribe).
// None of the two knows the other.
//
// Events are plain structs with JSON tags and hold no types of BuildKit or
// Kubernetes: what BuildKit reports of a solve is translated once, where it
// arrives, by package agent/buildkit/status.
//
// Events are not made safe to print. They hold names, messages and output from
// builders, registries and Dockerfiles, secrets among them: a consumer that prints
// has what it prints pass package sanitize and the mask of the command.
package event
