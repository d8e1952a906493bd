package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/internal/fault"
)

// atLine is a failure at lines of a Dockerfile, as BuildKit reports it.
func atLine(name string, start, end int32) error {
	return errdefs.WithSource(errors.New(`process "/bin/sh -c make" did not complete successfully: exit code: 2`), &errdefs.Source{
		Info:   &pb.SourceInfo{Filename: name, Data: []byte("FROM x\n\nRUN make\n")},
		Ranges: []*pb.Range{{Start: &pb.Position{Line: start}, End: &pb.Position{Line: end}}},
	})
}

func TestFailed(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want event.Failed
	}{
		{"a step", fault.With(fault.ClassBuild, atLine("Dockerfile", 3, 3)), event.Failed{
			Class: event.FailedBuild, Error: "RUN make (Dockerfile:3): exit code: 2", Place: &event.Place{Name: "Dockerfile", File: "/ws/Dockerfile", Start: 3, End: 3},
		}},
		{"another file", fault.With(fault.ClassBuild, atLine("included", 3, 0)), event.Failed{
			Class: event.FailedBuild, Error: "RUN make (included:3): exit code: 2", Place: &event.Place{Name: "included", Start: 3, End: 3},
		}},
		{"a platform", fault.With(fault.ClassBuild, &platformError{"linux/arm64 on n", "RUN make (Dockerfile:3): exit code: 2", atLine("Dockerfile", 3, 4)}), event.Failed{
			Class: event.FailedBuild, Error: "linux/arm64 on n: RUN make (Dockerfile:3): exit code: 2", Place: &event.Place{Name: "Dockerfile", File: "/ws/Dockerfile", Start: 3, End: 4},
		}},
		{"no line", fault.With(fault.ClassRegistry, errors.New("denied")), event.Failed{Class: event.FailedRegistry, Error: "denied"}},
		{"cancelled", fault.With(fault.ClassCancelled, context.Canceled), event.Failed{Class: event.FailedCancelled, Error: "context canceled"}},
		{"a fault of slipway", errors.New("x"), event.Failed{Class: event.FailedInternal, Error: "x"}},
	} {
		if diff := cmp.Diff(&tt.want, failed(tt.err, dockerfile{path: "/ws/Dockerfile"})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestFailedInGit has a Dockerfile that the builder reads from a repository.
func TestFailedInGit(t *testing.T) {
	file := dockerfile{git: &event.GitFile{Repository: "git.example/team/app", Path: "docker/Dockerfile", Name: "Dockerfile"}}
	for name, want := range map[string]*event.GitFile{"Dockerfile": file.git, "included": nil} {
		if got := failed(atLine(name, 1, 1), file).Place; got == nil || got.Git != want || got.File != "" {
			t.Errorf("%s is at %+v", name, got)
		}
	}
}

// keepFailed keeps the last event and counts those of failures.
type keepFailed struct {
	failures int
	last     event.Event
}

func (k *keepFailed) Consume(e event.Event) error {
	if e.Failed != nil {
		k.failures++
	}
	if e.Span == nil {
		k.last = e
	}
	return nil
}

// TestABuildThatFailsSaysSo has failures before and after something has begun, and none.
func TestABuildThatFailsSaysSo(t *testing.T) {
	for name, change := range map[string]func(*Build, *fleettest.Daemon){
		"usage": func(b *Build, _ *fleettest.Daemon) { b.Request.Context = "/nowhere/at/all" },
		"build": func(_ *Build, d *fleettest.Daemon) { d.Refusal = errors.New("exit code: 1") },
		"":      func(*Build, *fleettest.Daemon) {},
	} {
		daemon := &fleettest.Daemon{}
		f, _ := builder(t, daemon)
		b := buildIn(t, f, &strings.Builder{}, "1")
		change(&b, daemon)
		b.Events = event.NewStream()
		kept := &keepFailed{}
		sub := b.Events.Subscribe("test", kept)
		_, err := b.Run(t.Context())
		if endErr := sub.End(); endErr != nil {
			t.Fatal(endErr)
		}
		said := fmt.Sprint(kept.failures, kept.last.Failed != nil)
		if want := fmt.Sprint(map[bool]int{true: 1}[err != nil], err != nil); said != want || (err != nil) != (name != "") {
			t.Errorf("%s: error %v, failures and whether the last event is one: %s, want %s", name, err, said, want)
		}
		if name != "" && kept.last.Failed != nil && !strings.HasSuffix(err.Error(), kept.last.Failed.Error) {
			t.Errorf("%s: %+v of %v", name, kept.last.Failed, err)
		}
	}
}
