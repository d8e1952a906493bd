package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/containerd/platforms"
	"github.com/google/go-cmp/cmp"
	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rs/zerolog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// twoNodes is a fleet of a node for linux/amd64 and one for linux/arm64.
func twoNodes(t *testing.T, amd, arm *fleettest.Daemon) *fleet.Fleet {
	t.Helper()
	definition := configmap.Definition{Name: "kube"}
	clusters := map[string]*fleettest.Cluster{}
	for name, daemon := range map[string]*fleettest.Daemon{"amd64": amd, "arm64": arm} {
		clusters["builder-"+name] = fleettest.NewCluster(t, fleettest.Pod{Name: "builder-" + name + "-0", Daemon: daemon})
	}
	for _, name := range []string{"amd64", "arm64"} {
		definition.Nodes = append(definition.Nodes, configmap.Node{
			Name: "builder-" + name, Kubernetes: &configmap.Kubernetes{},
			Platforms: []ocispecs.Platform{platforms.MustParse("linux/" + name)},
		})
	}
	f := fleet.New(definition, &fleet.Connector{Client: func(n configmap.Node) (fleet.Cluster, error) { return clusters[n.Name], nil }, Log: zerolog.Nop()})
	t.Cleanup(f.Close)
	return f
}

// step is a report of a step that has ended.
func step(name string, cached bool, failure string) *control.StatusResponse {
	now := timestamppb.New(time.Now())
	return &control.StatusResponse{Vertexes: []*control.Vertex{{
		Digest: "sha256:" + fmt.Sprintf("%064x", name), Name: name, Cached: cached, Started: now, Completed: now, Error: failure,
	}}}
}

// kinds is a consumer that notes, of every event but spans, node, pod and kind.
type kinds struct{ list []string }

func (k *kinds) Consume(e event.Event) error {
	e.Time = time.Time{}
	place := strings.TrimSpace(e.Node + " " + e.Pod)
	e.Node, e.Pod, e.Platforms = "", "", nil
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	var names map[string]any
	if err := json.Unmarshal(data, &names); err != nil {
		return err
	}
	delete(names, "time")
	for name := range names {
		if name != "span" {
			k.list = append(k.list, strings.TrimSpace(place+" "+name))
		}
	}
	return nil
}

// of are the events of one place.
func (k *kinds) of(place string) []string {
	var out []string
	for _, line := range k.list {
		if name, ok := strings.CutPrefix(line, place); ok && (place != "" || !strings.Contains(line, " ")) {
			out = append(out, strings.TrimSpace(name))
		}
	}
	return out
}

// TestTheEventsOfABuild has a build on two nodes: none is left out, and those of a node
// come in their order.
func TestTheEventsOfABuild(t *testing.T) {
	amd := &fleettest.Daemon{Reports: []*control.StatusResponse{step("[1/2] FROM x", true, ""), step("[2/2] RUN y", false, "")}}
	arm := &fleettest.Daemon{Platforms: []string{"linux/arm64"}, Reports: []*control.StatusResponse{step("[1/2] FROM x", false, "")}}
	var shown strings.Builder
	b := buildIn(t, twoNodes(t, amd, arm), &shown, "1")
	b.Platforms = []ocispecs.Platform{platforms.MustParse("linux/amd64"), platforms.MustParse("linux/arm64")}
	b.Events = event.NewStream()
	seen := &kinds{}
	sub := b.Events.Subscribe("test", seen)
	made, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := sub.End(); err != nil {
		t.Fatal(err)
	}
	for place, want := range map[string][]string{
		"":                              {"assigned", "publishing", "published"},
		"builder-amd64 builder-amd64-0": {"connected", "solveBegun", "submitted", "progress", "progress", "solved"},
		"builder-arm64 builder-arm64-0": {"connected", "solveBegun", "submitted", "progress", "solved"},
	} {
		if diff := cmp.Diff(want, seen.of(place)); diff != "" {
			t.Errorf("events of %q (-want +got):\n%s", place, diff)
		}
	}
	if first, last := seen.list[0], seen.list[len(seen.list)-1]; first != "assigned" || last != "published" {
		t.Errorf("the first event is %q, the last %q", first, last)
	}
	if len(made.Parts) != 2 || made.Parts[1].Node != "builder-arm64" || made.Parts[1].Pod != "builder-arm64-0" || made.Parts[1].Result.Ref == "" {
		t.Errorf("report %+v", made)
	}
	for _, want := range []string{"[builder-amd64 2/2] RUN y", "[builder-arm64 1/2] FROM x"} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("%q is not shown:\n%s", want, shown.String())
		}
	}
}

// loud is a reporter that shows nothing.
type loud struct {
	ci.Reporter
	events int
	closed bool
}

func (l *loud) Consume(event.Event) error {
	l.events++
	return nil
}

func (l *loud) Close() error {
	l.closed = true
	return errors.Join(l.Reporter.Close(), errors.New("the log is full"))
}

// TestAReporterTakesThePlaceOfThePlainDisplay has a build whose log a CI system shows
// in its own way, and programs that read it.
func TestAReporterTakesThePlaceOfThePlainDisplay(t *testing.T) {
	for mode, want := range map[progress.Mode]bool{progress.Auto: true, progress.Plain: true, progress.RawJSON: false, progress.Quiet: false} {
		daemon := &fleettest.Daemon{Reports: []*control.StatusResponse{step("[1/1] FROM x", true, "")}}
		f, _ := builder(t, daemon)
		var shown strings.Builder
		b := buildIn(t, f, &shown, "1")
		b.Mode = mode
		own := &loud{}
		b.Reporter = func(plain ci.Reporter) ci.Reporter {
			own.Reporter = plain
			return own
		}
		_, err := b.Run(t.Context())
		if used := own.events > 0 && own.closed && err != nil && err.Error() == "the log is full"; used != want {
			t.Errorf("%s: %d events, closed %t, error %v", mode, own.events, own.closed, err)
		}
		if want && strings.Contains(shown.String(), "FROM") {
			t.Errorf("%s: the display has shown:\n%s", mode, shown.String())
		}
	}
}

// TestNoOutputIsSaidOfSuccessOnly has builds that nothing comes of.
func TestNoOutputIsSaidOfSuccessOnly(t *testing.T) {
	const said = "no --output: the result stays in the cache of the builder; -o DIR writes it to files, --push pushes it, --load loads it into a Docker engine"
	for _, tt := range []struct {
		name    string
		outputs []output.Output
		tags    []string
		refusal error
		want    string
	}{
		{"no output", nil, nil, nil, said + "\n"},
		{"a name without an output", nil, []string{"registry.example/app:1", "registry.example/app:2"}, nil, said + "; without one of them --tag registry.example/app:1, registry.example/app:2 has no effect\n"},
		{"cacheonly", []output.Output{{Type: "cacheonly"}}, nil, nil, ""},
		{"a build that fails", nil, []string{"registry.example/app:1"}, errors.New("exit code: 1"), ""},
	} {
		for _, mode := range []progress.Mode{progress.Plain, progress.Quiet} {
			f, _ := builder(t, &fleettest.Daemon{Refusal: tt.refusal})
			var shown strings.Builder
			b := buildIn(t, f, &shown, "1")
			b.Mode, b.Request.Outputs, b.Request.Tags = mode, tt.outputs, tt.tags
			b.Log = zerolog.New(zerolog.ConsoleWriter{Out: b.Terminal, NoColor: true, PartsExclude: []string{zerolog.TimestampFieldName}})
			if _, err := b.Run(t.Context()); (err != nil) != (tt.refusal != nil) {
				t.Fatal(err)
			}
			_, below, _ := strings.Cut(shown.String(), "CACHED STEPS\n")
			if mode == progress.Quiet {
				below = shown.String()
			}
			_, warning, warned := strings.Cut(below, "WRN ")
			if warning != tt.want || warned != (tt.want != "") || strings.Count(shown.String(), "no --output") > 1 {
				t.Errorf("%s, %s: it shows\n%s", tt.name, mode, shown.String())
			}
			if tt.want == "" && strings.Contains(shown.String(), "no --output") {
				t.Errorf("%s, %s: it shows\n%s", tt.name, mode, shown.String())
			}
		}
	}
}

// TestABuildEndsWithItsSummary has files as outputs, on two nodes.
func TestABuildEndsWithItsSummary(t *testing.T) {
	amd := &fleettest.Daemon{Reports: []*control.StatusResponse{step("[1/3] FROM x", true, ""), step("[2/3] COPY . .", true, ""), step("[3/3] RUN y", false, "")}}
	arm := &fleettest.Daemon{Platforms: []string{"linux/arm64"}, Reports: []*control.StatusResponse{step("[2/2] RUN y", true, "")}}
	var shown strings.Builder
	b := buildIn(t, twoNodes(t, amd, arm), &shown, "1")
	b.Platforms = []ocispecs.Platform{platforms.MustParse("linux/amd64"), platforms.MustParse("linux/arm64")}
	b.Request.Outputs = []output.Output{{Type: "local", Dest: "out"}}
	if _, err := b.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, summary, _ := strings.Cut(shown.String(), "\nbuilt in ")
	want := `T with builder "kube"
  PLATFORM     NODE           TIME CACHED STEPS
  linux/amd64  builder-amd64  T 1 of 2
  linux/arm64  builder-arm64  T 1 of 1
  files  out
`
	// The width of a column is that of the longest time.
	steady := regexp.MustCompile(`[0-9.]+m?s +`).ReplaceAllString(regexp.MustCompile(`TIME +`).ReplaceAllString(summary, "TIME "), "T ")
	if diff := cmp.Diff(want, steady); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

// TestAFailureOnOneOfSeveralPlatformsSaysWhere has builders that refuse a build in the
// ways that they have.
func TestAFailureOnOneOfSeveralPlatformsSaysWhere(t *testing.T) {
	exit := grpcerrors.ToGRPC(t.Context(), errdefs.WithSource(errors.New(`process "/bin/sh -c exit 7" did not complete successfully: exit code: 7`), &errdefs.Source{
		Info:   &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("FROM x\nRUN true\nRUN exit 7\n")},
		Ranges: []*pb.Range{{Start: &pb.Position{Line: 3}, End: &pb.Position{Line: 3}}},
	}))
	run := step("[3/3] RUN exit 7", false, "exit code: 7")
	arm, both := []string{"linux/amd64", "linux/arm64"}, []string{"linux/arm64", "linux/arm/v7"}
	for _, tt := range []struct {
		name      string
		platforms []string
		report    *control.StatusResponse
		refusal   error
		want      string
		class     fault.Class
	}{
		{"a command", arm, run, exit, "linux/arm64 on builder-arm64: RUN exit 7 (Dockerfile:3): exit code: 7", fault.ClassBuild},
		{"a command of one platform of a node's", both, step("[linux/arm/v7 3/3] RUN exit 7", false, "exit code: 7"), exit, "linux/arm/v7 on builder-arm64: RUN exit 7 (Dockerfile:3): exit code: 7", fault.ClassBuild},
		{"a command of no platform of a node's", both, run, exit, "linux/arm64, linux/arm/v7 on builder-arm64: RUN exit 7 (Dockerfile:3): exit code: 7", fault.ClassBuild},
		{"a Dockerfile that cannot be read", arm, nil, exit, `process "/bin/sh -c exit 7" did not complete successfully: exit code: 7`, fault.ClassBuild},
		{"a registry", arm, nil, status.Error(codes.Unknown, "failed to push r.example/a:1: 500"), "linux/arm64 on builder-arm64: failed to push r.example/a:1: 500", fault.ClassRegistry},
		{"one platform", []string{"linux/arm64"}, run, exit, "RUN exit 7 (Dockerfile:3): exit code: 7", fault.ClassBuild},
		{"one platform, a registry", []string{"linux/arm64"}, nil, status.Error(codes.Unknown, "failed to push r.example/a:1: 500"), "failed to push r.example/a:1: 500", fault.ClassRegistry},
	} {
		t.Run(tt.name, func(t *testing.T) {
			daemon := &fleettest.Daemon{Platforms: []string{"linux/arm64", "linux/arm/v7"}, Refusal: tt.refusal}
			if tt.report != nil {
				daemon.Reports = []*control.StatusResponse{tt.report}
			}
			f := twoNodes(t, &fleettest.Daemon{}, daemon)
			f.Definition().Nodes[1].Platforms = append(f.Definition().Nodes[1].Platforms, platforms.MustParse("linux/arm/v7"))
			var shown strings.Builder
			b := buildIn(t, f, &shown, "1")
			for _, name := range tt.platforms {
				b.Platforms = append(b.Platforms, platforms.MustParse(name))
			}
			_, err := b.Run(t.Context())
			if err == nil || err.Error() != tt.want || fault.ClassOf(err) != tt.class {
				t.Errorf("error %v of class %d, want %q", err, fault.ClassOf(err), tt.want)
			}
			buildx := tt.want
			if len(tt.platforms) < 2 || tt.report == nil && tt.class == fault.ClassBuild {
				buildx = "failed to solve: " + status.Convert(tt.refusal).Message()
			}
			if got := BuildxMessage(err); got != buildx {
				t.Errorf("docker buildx would say %q, want %q", got, buildx)
			}
			if tt.class == fault.ClassBuild && !strings.Contains(solve.Excerpt(err), "   3 | >>> RUN exit 7\n") {
				t.Errorf("the excerpt is %q", solve.Excerpt(err))
			}
		})
	}
}
