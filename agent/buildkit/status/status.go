// Package status translates what BuildKit reports of a solve into events and back.
// It is the one place that knows both: a solve emits events, and the display makes
// of them what BuildKit's own display takes. Nothing is lost on the way.
package status

import (
	"encoding/json"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-build/slipway/agent/event"
)

// Progress returns a report of a solve as an event. It shares memory with s.
func Progress(s *client.SolveStatus) *event.Progress {
	return &event.Progress{
		Vertexes: each(s.Vertexes, toVertex),
		Statuses: each(s.Statuses, toStatus),
		Logs:     each(s.Logs, toLog),
		Warnings: each(s.Warnings, toWarning),
	}
}

// Of returns the report that the event was made of. It shares memory with p, but for
// the structs themselves.
func Of(p *event.Progress) *client.SolveStatus {
	return &client.SolveStatus{
		Vertexes: each(p.Vertexes, ofVertex),
		Statuses: each(p.Statuses, ofStatus),
		Logs:     each(p.Logs, ofLog),
		Warnings: each(p.Warnings, ofWarning),
	}
}

// each translates a list; nil stays nil.
func each[A, B any](list []A, translate func(A) B) []B {
	if list == nil {
		return nil
	}
	out := make([]B, len(list))
	for i, one := range list {
		out[i] = translate(one)
	}
	return out
}

func toVertex(v *client.Vertex) *event.Vertex {
	out := &event.Vertex{
		Digest:    v.Digest.String(),
		Inputs:    each(v.Inputs, digest.Digest.String),
		Name:      v.Name,
		Started:   v.Started,
		Completed: v.Completed,
		Cached:    v.Cached,
		Error:     v.Error,
	}
	if g := v.ProgressGroup; g != nil {
		out.Group = &event.Group{ID: g.Id, Name: g.Name, Weak: g.Weak}
	}
	return out
}

func ofVertex(v *event.Vertex) *client.Vertex {
	out := &client.Vertex{
		Digest:    digest.Digest(v.Digest),
		Inputs:    each(v.Inputs, func(d string) digest.Digest { return digest.Digest(d) }),
		Name:      v.Name,
		Started:   v.Started,
		Completed: v.Completed,
		Cached:    v.Cached,
		Error:     v.Error,
	}
	if g := v.Group; g != nil {
		out.ProgressGroup = &pb.ProgressGroup{Id: g.ID, Name: g.Name, Weak: g.Weak}
	}
	return out
}

func toStatus(s *client.VertexStatus) *event.Status {
	return &event.Status{
		ID: s.ID, Vertex: s.Vertex.String(), Name: s.Name, Total: s.Total, Current: s.Current,
		Timestamp: s.Timestamp, Started: s.Started, Completed: s.Completed,
	}
}

func ofStatus(s *event.Status) *client.VertexStatus {
	return &client.VertexStatus{
		ID: s.ID, Vertex: digest.Digest(s.Vertex), Name: s.Name, Total: s.Total, Current: s.Current,
		Timestamp: s.Timestamp, Started: s.Started, Completed: s.Completed,
	}
}

func toLog(l *client.VertexLog) *event.Log {
	return &event.Log{Vertex: l.Vertex.String(), Stream: l.Stream, Data: l.Data, Timestamp: l.Timestamp}
}

func ofLog(l *event.Log) *client.VertexLog {
	return &client.VertexLog{Vertex: digest.Digest(l.Vertex), Stream: l.Stream, Data: l.Data, Timestamp: l.Timestamp}
}

func toWarning(w *client.VertexWarning) *event.Warning {
	out := &event.Warning{
		Vertex: w.Vertex.String(), Level: w.Level, Short: w.Short, Detail: w.Detail, URL: w.URL,
		Ranges: each(w.Range, toRange),
	}
	if s := w.SourceInfo; s != nil {
		out.Source = &event.Source{Filename: s.Filename, Data: s.Data, Language: s.Language}
		if s.Definition != nil {
			// A struct of texts, numbers and maps of them: it cannot fail.
			out.Source.Definition, _ = json.Marshal(s.Definition)
		}
	}
	return out
}

func ofWarning(w *event.Warning) *client.VertexWarning {
	out := &client.VertexWarning{
		Vertex: digest.Digest(w.Vertex), Level: w.Level, Short: w.Short, Detail: w.Detail, URL: w.URL,
		Range: each(w.Ranges, ofRange),
	}
	if s := w.Source; s != nil {
		out.SourceInfo = &pb.SourceInfo{Filename: s.Filename, Data: s.Data, Language: s.Language}
		definition := &pb.Definition{}
		if s.Definition != nil && json.Unmarshal(s.Definition, definition) == nil {
			out.SourceInfo.Definition = definition
		}
	}
	return out
}

func toRange(r *pb.Range) *event.Range {
	if r == nil {
		return nil
	}
	return &event.Range{Start: toPosition(r.Start), End: toPosition(r.End)}
}

func ofRange(r *event.Range) *pb.Range {
	if r == nil {
		return nil
	}
	return &pb.Range{Start: ofPosition(r.Start), End: ofPosition(r.End)}
}

func toPosition(p *pb.Position) *event.Position {
	if p == nil {
		return nil
	}
	return &event.Position{Line: p.Line, Character: p.Character}
}

func ofPosition(p *event.Position) *pb.Position {
	if p == nil {
		return nil
	}
	return &pb.Position{Line: p.Line, Character: p.Character}
}
