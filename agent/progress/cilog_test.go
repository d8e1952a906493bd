package progress_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/agent/ci/results"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/progress"
)

var update = flag.Bool("update", false, "write the golden files again")

// script is a build as a test tells it.
type script struct {
	t        *testing.T
	reporter ci.Reporter
}

func (s *script) emit(e event.Event) {
	s.t.Helper()
	e.Time = time.Now()
	if err := s.reporter.Consume(e); err != nil {
		s.t.Fatal(err)
	}
	synctest.Wait()
}

// node tells what a node with one platform reports.
type node struct {
	*script
	name, platform string
	began          map[string]time.Time
	last           []string // the step that has ended last
}

func (n *node) emit(e event.Event) {
	n.t.Helper()
	e.Node, e.Platforms, e.Pod = n.name, []string{n.platform}, n.name+"-0"
	n.script.emit(e)
}

func (n *node) begin(step string) {
	now := time.Now()
	n.began[step] = now
	n.emit(event.Event{Progress: &event.Progress{Vertexes: []*event.Vertex{{Digest: "sha256:" + step, Name: step, Started: &now, Inputs: n.last}}}})
}

func (n *node) say(step, text string) {
	n.emit(event.Event{Progress: &event.Progress{Logs: []*event.Log{{Vertex: "sha256:" + step, Stream: 1, Data: []byte(text), Timestamp: time.Now()}}}})
}

func (n *node) part(step, id string, bytes, total int64) {
	now, began := time.Now(), n.began[step]
	n.emit(event.Event{Progress: &event.Progress{Statuses: []*event.Status{
		{ID: id, Vertex: "sha256:" + step, Current: bytes, Total: total, Started: &began, Completed: &now, Timestamp: now},
	}}})
}

func (n *node) end(step, failure string, cached bool) {
	now, began := time.Now(), n.began[step]
	n.last = []string{"sha256:" + step}
	n.emit(event.Event{Progress: &event.Progress{Vertexes: []*event.Vertex{
		{Digest: "sha256:" + step, Name: step, Started: &began, Completed: &now, Cached: cached, Error: failure},
	}}})
}

// The names of the steps of the build.
const (
	load = "[internal] load build definition from Dockerfile"
	from = "[build 1/3] FROM docker.io/library/golang:1.26"
	copy = "[build 2/3] COPY . ."
	run  = "[build 3/3] RUN make test"
)

// failing is a build for two platforms, with a warning, of which one fails.
func failing(s *script, dockerfile string) {
	sleep := func(seconds float64) { time.Sleep(time.Duration(seconds * float64(time.Second))) }
	amd := &node{s, "builder-amd64", "linux/amd64", map[string]time.Time{}, nil}
	arm := &node{s, "builder-arm64", "linux/arm64", map[string]time.Time{}, nil}
	s.emit(event.Event{Assigned: &event.Assigned{Builder: "kube", Dockerfile: dockerfile, Nodes: []event.Assignment{
		{Node: amd.name, Platforms: []string{amd.platform}}, {Node: arm.name, Platforms: []string{arm.platform}},
	}}})
	amd.emit(event.Event{Connected: &event.Connected{BuildKit: "v0.34.0", BuildsFor: []string{amd.platform}, Transport: "direct"}})
	amd.emit(event.Event{SolveBegun: &event.SolveBegun{}})
	arm.emit(event.Event{Waiting: &event.Waiting{Stage: event.StageStart, Reason: "pod builder-arm64-0: pulling image"}})
	amd.begin(load)
	sleep(0.1)
	amd.part(load, "transferring dockerfile:", 118, 0)
	amd.end(load, "", false)
	amd.emit(event.Event{Progress: &event.Progress{Warnings: []*event.Warning{{
		Vertex: "sha256:" + load, Short: []byte("FromAsCasing: 'as' and 'FROM' keywords' casing do not match"),
		URL:    "https://docs.docker.com/go/dockerfile/rule/from-as-casing/",
		Source: &event.Source{Filename: "Dockerfile"}, Ranges: []*event.Range{{Start: &event.Position{Line: 1}, End: &event.Position{Line: 1}}},
	}}}})
	amd.begin(from)
	sleep(1.5)
	amd.part(from, "sha256:4bc6a1", 29_500_000, 29_500_000)
	amd.part(from, "extracting sha256:4bc6a1", 29_500_000, 29_500_000)
	amd.end(from, "", false)
	arm.emit(event.Event{Connected: &event.Connected{BuildKit: "v0.34.0", BuildsFor: []string{arm.platform}, Transport: "direct"}})
	arm.emit(event.Event{SolveBegun: &event.SolveBegun{}})
	arm.begin(from)
	arm.end(from, "", true)
	amd.begin(copy)
	arm.begin(copy)
	sleep(0.2)
	amd.end(copy, "", false)
	arm.end(copy, "", true)
	amd.begin(run)
	arm.begin(run)
	for i := range 3 {
		sleep(1)
		amd.say(run, fmt.Sprintf("ok  \tpackage/%d\t0.9s\n", i))
		arm.say(run, fmt.Sprintf("ok  \tpackage/%d\t1.4s\n", i))
	}
	sleep(70)
	arm.say(run, "--- FAIL: TestOrder (0.01s)\n::error::not a command\n")
	arm.say(run, "make: *** [Makefile:3: ")
	arm.say(run, "test] Error 1\n")
	const exit = `process "/bin/sh -c make test" did not complete successfully: exit code: 2`
	arm.end(run, exit, false)
	amd.end(run, "context canceled", false)
	s.emit(event.Event{Failed: &event.Failed{
		Class: event.FailedBuild, Step: "[linux/arm64 build 3/3] RUN make test", Error: "linux/arm64 on builder-arm64: RUN make test (Dockerfile:3): exit code: 2",
		Place: &event.Place{Name: "Dockerfile", File: dockerfile, Start: 3, End: 3},
	}})
}

// logOf is the log of a build in a system's form.
func logOf(t *testing.T, system ci.System, form progress.StepLog, tell func(s *script, dockerfile string)) string {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		workspace := t.TempDir()
		dockerfile := filepath.Join(workspace, "Dockerfile")
		if err := os.WriteFile(dockerfile, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		form.Sections = system.Commands
		terminal := progress.NewTerminal(&out, nil)
		display, err := progress.Open(t.Context(), terminal, progress.Auto, `building with "kube" on kubernetes`, progress.Steps(&form))
		if err != nil {
			t.Fatal(err)
		}
		s := &script{t, system.Reporter(display, terminal, results.Checkout{Workspace: workspace})}
		tell(s, dockerfile)
		if err := s.reporter.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return out.String()
}

// TestLogs compares the logs of the failing build, in the form of each system, with
// testdata/log, those of systems without commands, too. Some of them are in docs/ci.
func TestLogs(t *testing.T) {
	logs := map[string]string{}
	for _, s := range ci.Systems() {
		logs[s.Name] = logOf(t, s, progress.StepLog{Heartbeat: time.Minute}, failing)
	}
	plain, _, err := ci.Variables{}.Choose(ci.Plain)
	if err != nil {
		t.Fatal(err)
	}
	logs["grouped"] = logOf(t, plain, progress.StepLog{Heartbeat: time.Minute, Grouped: true}, failing)
	for name, got := range logs {
		file := filepath.Join("testdata", "log", name+".txt")
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("the log of %s (-want +got):\n%s", name, diff)
		}
	}
	for _, name := range []string{"bitbucket", "circleci", "woodpecker", "drone", "jenkins", "tekton", "argo"} {
		if logs[name] != logs[ci.Plain] {
			t.Errorf("the log of %s is not plain", name)
		}
	}
}
