package scenarios

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-build/slipway/e2e/faults/hostiledaemon"
)

// reporting is a daemon whose builds do nothing but report their progress.
func reporting(report func(hostiledaemon.Progress) error) hostiledaemon.Behaviour {
	reported := make(chan struct{})
	return hostiledaemon.Behaviour{
		Status: func(_ context.Context, send hostiledaemon.Progress) error {
			defer close(reported)
			return report(send)
		},
		Solve: func(ctx context.Context, _ *hostiledaemon.Build) (map[string]string, error) {
			select {
			case <-reported:
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	}
}

// saying is a daemon that reports these, one after the other.
func saying(all ...*control.StatusResponse) hostiledaemon.Behaviour {
	return reporting(func(send hostiledaemon.Progress) error {
		for _, one := range all {
			if err := send(one); err != nil {
				return err
			}
		}
		return nil
	})
}

// step is a vertex that has begun, or has ended, too.
func step(digest, name string, ended bool) *control.Vertex {
	now := timestamppb.New(time.Now())
	v := &control.Vertex{Digest: digest, Name: name, Started: now}
	if ended {
		v.Completed = now
	}
	return v
}

func steps(all ...*control.Vertex) *control.StatusResponse {
	return &control.StatusResponse{Vertexes: all}
}

// nasty is what takes over a terminal or a CI job that prints it.
const nasty = "\r::error::a\n##vso[task.setvariable variable=x]b\n\x1b]52;c;eA==\a\x1b[2J\u202ec"

// TestFaultBuilderProgress has a builder report a progress that makes no sense.
func TestFaultBuilderProgress(t *testing.T) {
	t.Parallel()
	at := func(seconds int64) *timestamppb.Timestamp { return &timestamppb.Timestamp{Seconds: seconds} }
	cycle := []*control.Vertex{step("sha256:a", "a", true), step("sha256:b", "b", true)}
	cycle[0].Inputs, cycle[1].Inputs = []string{"sha256:b", "sha256:a"}, []string{"sha256:a"}
	var times []*control.Vertex
	for i, seconds := range []int64{0, -62135596800, 253402300799, 253402300800, math.MaxInt64, math.MinInt64} {
		v := step(fmt.Sprintf("sha256:%d", i), fmt.Sprint("at ", seconds), true)
		v.Started, v.Completed = at(seconds), at(-seconds)
		times = append(times, v)
	}
	timed := &control.StatusResponse{Vertexes: times}
	for _, v := range times {
		timed.Logs = append(timed.Logs, &control.VertexLog{Vertex: v.Digest, Msg: []byte("log\n"), Timestamp: v.Started}, &control.VertexLog{Vertex: v.Digest, Msg: []byte("no time\n")})
	}
	var sizes []*control.VertexStatus
	for i, n := range []int64{-1, math.MinInt64, math.MaxInt64, 0} {
		sizes = append(sizes, &control.VertexStatus{ID: fmt.Sprint(i), Vertex: "sha256:a", Current: n, Total: -n, Started: at(0)},
			&control.VertexStatus{ID: fmt.Sprint(i), Vertex: "sha256:a", Current: -n, Total: n, Started: at(0), Completed: at(-n)})
	}
	grouped := step("sha256:a", "a", false)
	grouped.ProgressGroup = &pb.ProgressGroup{Id: "g", Name: "g", Weak: true}
	many := func(n int, one func(i int, s *control.StatusResponse)) hostiledaemon.Behaviour {
		return reporting(func(send hostiledaemon.Progress) error {
			for i := 0; i < n; {
				s := &control.StatusResponse{}
				for range 1000 {
					one(i, s)
					i++
				}
				if err := send(s); err != nil {
					return err
				}
			}
			return nil
		})
	}
	const million = 1_000_000
	quiet := []string{"--progress=rawjson"}
	tell(t, []lie{
		{"steps without a digest", saying(
			steps(step("", "a", false), &control.Vertex{}, step("", "b", true)),
			&control.StatusResponse{Logs: []*control.VertexLog{{Msg: []byte("log")}}, Statuses: []*control.VertexStatus{{}}, Warnings: []*control.VertexWarning{{}}},
		), nil, 0, nil, nil},
		{"steps that need each other", saying(steps(cycle...)), nil, 0, nil, nil},
		{"times in 1970, in 9999 and beyond", saying(timed), nil, 0, nil, nil},
		{"times beyond 9999, as JSON", saying(timed), quiet, 0, nil, nil},
		{"negative sizes", saying(&control.StatusResponse{Vertexes: []*control.Vertex{step("sha256:a", "a", false)}, Statuses: sizes}, steps(step("sha256:a", "a", true))), nil, 0, nil, nil},
		{"a warning without a place", saying(&control.StatusResponse{Vertexes: []*control.Vertex{step("sha256:a", "a", true)},
			Warnings: []*control.VertexWarning{{Vertex: "sha256:a", Short: []byte("w"), Ranges: []*pb.Range{{}}, Info: &pb.SourceInfo{}}}}), nil, 0, nil, nil},
		{"a step that hides in a group", saying(steps(step("sha256:a", "a", false)), steps(grouped), steps(step("sha256:b", "b", false)), steps(step("sha256:b", "b2", false))),
			nil, 70, []string{"slipway has a fault", "hint: "}, nil},
		{"a million steps", many(million, func(i int, s *control.StatusResponse) {
			s.Vertexes = append(s.Vertexes, step(fmt.Sprintf("sha256:%064d", i), "step", true))
		}), nil, 0, nil, nil},
		{"a million steps that do not end", many(million, func(i int, s *control.StatusResponse) {
			s.Vertexes = append(s.Vertexes, step(fmt.Sprintf("sha256:%064d", i), "step", false))
		}), nil, 0, nil, nil},
		{"a million streams of a step", many(million, func(i int, s *control.StatusResponse) {
			s.Vertexes = []*control.Vertex{step("sha256:a", "a", false)}
			s.Logs = append(s.Logs, &control.VertexLog{Vertex: "sha256:a", Stream: int64(i), Msg: []byte("x")})
		}), nil, 0, nil, nil},
		{"a million parts of a step", many(million, func(i int, s *control.StatusResponse) {
			s.Vertexes = []*control.Vertex{step("sha256:a", "a", false)}
			s.Statuses = append(s.Statuses, &control.VertexStatus{ID: fmt.Sprint(i), Vertex: "sha256:a", Started: at(0)})
		}), nil, 0, nil, nil},
		{"a million warnings", many(million, func(i int, s *control.StatusResponse) {
			s.Vertexes = []*control.Vertex{step("sha256:a", "a", false)}
			s.Warnings = append(s.Warnings, &control.VertexWarning{Vertex: "sha256:a", Short: fmt.Appendf(nil, "warning %d", i)})
		}), nil, 0, nil, nil},
		{"a line of 512 MiB", reporting(func(send hostiledaemon.Progress) error {
			for range 512 {
				if err := send(&control.StatusResponse{
					Vertexes: []*control.Vertex{step("sha256:a", "a", false)},
					Logs:     []*control.VertexLog{{Vertex: "sha256:a", Stream: 1, Msg: []byte(strings.Repeat("x", 1<<20))}},
				}); err != nil {
					return err
				}
			}
			return nil
		}), nil, 0, nil, nil},
		{"an error with a place that is none", hostiledaemon.Behaviour{Solve: func(ctx context.Context, _ *hostiledaemon.Build) (map[string]string, error) {
			return nil, grpcerrors.ToGRPC(ctx, errdefs.WithSource(errors.New("did not work"), &errdefs.Source{
				Info: &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("FROM scratch")}, Ranges: []*pb.Range{{}},
			}))
		}}, nil, 1, []string{"did not work"}, nil},
		{"an error with a place beyond all", hostiledaemon.Behaviour{Solve: func(ctx context.Context, _ *hostiledaemon.Build) (map[string]string, error) {
			return nil, grpcerrors.ToGRPC(ctx, errdefs.WithSource(errors.New("did not work"), &errdefs.Source{
				Info: &pb.SourceInfo{Filename: nasty, Data: []byte(nasty)}, Ranges: []*pb.Range{
					{Start: &pb.Position{Line: math.MinInt32}, End: &pb.Position{Line: math.MaxInt32}},
					{Start: &pb.Position{Line: 1}, End: &pb.Position{Line: math.MaxInt32}},
				},
			}))
		}}, nil, 1, []string{"did not work"}, nil},
	})
}

// TestFaultBuilderCommands has a builder say what takes over a terminal or a CI
// job wherever it can say anything.
func TestFaultBuilderCommands(t *testing.T) {
	t.Parallel()
	f := plant(t, "builder", "commands in all that it says")
	says := saying(&control.StatusResponse{
		Vertexes: []*control.Vertex{step("sha256:a", nasty, false)},
		Logs:     []*control.VertexLog{{Vertex: "sha256:a", Stream: 1, Msg: []byte(nasty)}},
		Statuses: []*control.VertexStatus{{ID: nasty, Vertex: "sha256:a", Name: nasty, Started: timestamppb.Now()}},
		Warnings: []*control.VertexWarning{{Vertex: "sha256:a", Short: []byte(nasty), Detail: [][]byte{[]byte(nasty)}, Url: nasty}},
	})
	solve := says.Solve
	says.Solve = func(ctx context.Context, b *hostiledaemon.Build) (map[string]string, error) {
		_, err := solve(ctx, b)
		return nil, errors.Join(err, errors.New(nasty))
	}
	v := newVictim(t, f, buildProduct(t), says)
	r := v.build()
	v.untouched()
	f.explained(r, 1, "error: ")
	for _, command := range []string{"\x1b]", "\x1b[2J", "\u202e", "\r", "\n::error", "##vso["} {
		if strings.Contains(r.stderr, command) {
			t.Errorf("standard error has %q:\n%q", command, clip(r.stderr))
		}
	}
	noCrash(t, r)
}
