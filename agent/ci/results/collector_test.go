package results

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/event"
)

// TestCollector has the events of a build on two nodes, one of which has lost its
// builder.
func TestCollector(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := &Collector{Checkout: Checkout{Workspace: "/w"}}
	at := began
	send := func(e event.Event) {
		t.Helper()
		e.Time, at = at, at.Add(time.Second)
		if err := c.Consume(e); err != nil {
			t.Fatal(err)
		}
	}
	steps := func(node string, steps ...*event.Vertex) event.Event {
		return event.Event{Node: node, Progress: &event.Progress{Vertexes: steps}}
	}
	warning := &event.Warning{
		Short:  []byte("FromAsCasing: differs"),
		Source: &event.Source{Filename: "app.dockerfile", Data: []byte("FROM a as b\nRUN x\n")},
		Ranges: []*event.Range{{Start: &event.Position{Line: 1}, End: &event.Position{Line: 2}}},
	}
	send(event.Event{Assigned: &event.Assigned{Builder: "kube", Dockerfile: "/w/docker/app.dockerfile", Nodes: []event.Assignment{{Node: "amd", Platforms: []string{"linux/amd64"}}, {Node: "arm", Platforms: []string{"linux/arm64"}}}}})
	send(event.Event{Node: "arm", Pod: "arm-1", SolveBegun: &event.SolveBegun{}})
	send(steps("arm", &event.Vertex{Digest: "of a builder that was lost", Name: "[2/2] RUN x", Completed: &began, Cached: true}))
	send(event.Event{Node: "arm", Pod: "arm-2", SolveBegun: &event.SolveBegun{}})
	send(event.Event{Node: "amd", Pod: "amd-1", SolveBegun: &event.SolveBegun{}})
	send(steps("arm",
		&event.Vertex{Digest: "1", Name: "[1/3] FROM a", Completed: &began},
		&event.Vertex{Digest: "2", Name: "[2/3] RUN x", Completed: &began, Cached: true},
		&event.Vertex{Digest: "3", Name: "[3/3] RUN y"}))
	send(steps("arm", &event.Vertex{Digest: "3", Name: "[3/3] RUN y", Completed: &began}))
	for _, node := range []string{"arm", "amd"} {
		send(event.Event{Node: node, Progress: &event.Progress{Warnings: []*event.Warning{warning}}})
	}
	send(event.Event{Node: "arm", Solved: &event.Solved{Started: began, Completed: began.Add(1500 * time.Millisecond), Image: &ocispecs.Descriptor{Digest: "sha256:own"}}})
	send(event.Event{Published: &event.Published{
		Image: &ocispecs.Descriptor{Digest: digest}, Names: []string{"registry.example/app:1"},
		Images:  map[string]ocispecs.Descriptor{"linux/arm64": {Digest: "sha256:bb"}},
		Outputs: []event.Output{{Type: "image", Names: []string{"registry.example/app:1", "registry.example/app:2"}, Pushed: true}, {Type: "local", Dest: "out"}},
	}})
	want := Results{
		Builder: "kube", Started: began, Duration: 10,
		Image: "registry.example/app@" + digest, Digest: digest, ImageID: digest, Tags: []string{"registry.example/app:1", "registry.example/app:2"},
		Platforms: []Platform{
			{Platform: "linux/amd64", Node: "amd", Pod: "amd-1"},
			{Platform: "linux/arm64", Node: "arm", Pod: "arm-2", Duration: 1.5, Steps: 2, Cached: 1, Digest: "sha256:bb"},
		},
		Warnings: []Finding{{Rule: "FromAsCasing", Message: "differs", File: "docker/app.dockerfile", Line: 1, EndLine: 2}},
	}
	if diff := cmp.Diff(want, c.Results(), cmpopts.IgnoreUnexported(Results{}, Finding{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := c.Results().Warnings[0].text; got != "FROM a as b" {
		t.Errorf("%q", got)
	}
}

// TestWarningsAreBounded has nodes that report more warnings than are kept, the same ones
// and others.
func TestWarningsAreBounded(t *testing.T) {
	for _, tt := range []struct {
		name   string
		nodes  [2][2]int // the first warning of each and how many there are
		others int
	}{
		{"few", [2][2]int{{0, 900}, {0, 900}}, 0},
		{"different ones", [2][2]int{{0, 900}, {500, 900}}, 400},
		{"many of both", [2][2]int{{0, 1700}, {0, 1500}}, 700},
	} {
		c := &Collector{}
		events := []event.Event{{Assigned: &event.Assigned{Nodes: []event.Assignment{{Node: "0"}, {Node: "1"}}}}}
		for node, warnings := range tt.nodes {
			name := strconv.Itoa(node)
			events = append(events, event.Event{Node: name, SolveBegun: &event.SolveBegun{}})
			for i := range warnings[1] {
				events = append(events, event.Event{Node: name, Progress: &event.Progress{Warnings: []*event.Warning{{Short: []byte(strconv.Itoa(warnings[0] + i))}}}})
			}
		}
		for _, e := range events {
			if err := c.Consume(e); err != nil {
				t.Fatal(err)
			}
		}
		r := c.Results()
		if len(r.Warnings) > maxWarnings || r.WarningsLeftOut != tt.others {
			t.Errorf("%s: %d warnings and %d others, want %d others", tt.name, len(r.Warnings), r.WarningsLeftOut, tt.others)
		}
		if more := "<td>and " + strconv.Itoa(len(r.Warnings)+tt.others-maxSummaryWarnings) + " more</td>"; !strings.Contains(summary(r), more) {
			t.Errorf("%s: the summary does not say %s", tt.name, more)
		}
	}
}

// TestCollectorOfOneNode has a build that is not pushed, for the default of the node.
func TestCollectorOfOneNode(t *testing.T) {
	c := &Collector{}
	for _, e := range []event.Event{
		{Assigned: &event.Assigned{Nodes: []event.Assignment{{Node: "n"}}}},
		{Node: "n", SolveBegun: &event.SolveBegun{Platform: "linux/arm64"}},
		{Node: "n", Solved: &event.Solved{Image: &ocispecs.Descriptor{Digest: "sha256:aa"}}},
		{Published: &event.Published{Image: &ocispecs.Descriptor{Digest: "sha256:aa"}, ConfigDigest: "sha256:cc", Names: []string{"app:1"}, Outputs: []event.Output{{Type: "oci", Dest: "a.tar"}}}},
	} {
		if err := c.Consume(e); err != nil {
			t.Fatal(err)
		}
	}
	r := c.Results()
	if r.Image != "" || r.ImageID != "sha256:cc" || r.Digest != "sha256:aa" || len(r.Tags) != 1 || r.Platforms[0].Platform != "linux/arm64" || r.Platforms[0].Digest != "sha256:aa" {
		t.Errorf("%+v", r)
	}
}

// TestCollectorOfFailure has places in the workspace and outside of it.
func TestCollectorOfFailure(t *testing.T) {
	dir := t.TempDir()
	workspace := filepath.Join(dir, "w")
	link := filepath.Join(dir, "link")
	if err := errors.Join(os.MkdirAll(filepath.Join(workspace, "docker"), 0o755), os.Symlink(workspace, link)); err != nil {
		t.Fatal(err)
	}
	inside := put(t, filepath.Join(workspace, "docker", "Dockerfile"), "")
	for _, tt := range []struct{ workspace, file, want, message string }{
		{workspace, inside, "docker/Dockerfile", "exit code: 2"},
		{link, inside, "docker/Dockerfile", "exit code: 2"},
		{workspace, filepath.Join(link, "docker", "Dockerfile"), "docker/Dockerfile", "exit code: 2"},
		{"", inside, inside, "exit code: 2"},
		{filepath.Join(dir, "other"), inside, inside, "exit code: 2"},
		{workspace, "", "", "Dockerfile:3: exit code: 2"}, // from standard input: the workspace may have another one
	} {
		c := Collector{Checkout: Checkout{Workspace: tt.workspace}}
		if err := c.Consume(event.Event{Failed: &event.Failed{Error: "exit code: 2", Step: "[linux/arm64 2/3] RUN make [x] y", Place: &event.Place{Name: "Dockerfile", File: tt.file, Start: 3}}}); err != nil {
			t.Fatal(err)
		}
		want := &Finding{Message: tt.message, File: tt.want, Line: 3, EndLine: 3}
		if got := c.Results().Error; got == nil || got.Message != "exit code: 2" || !cmp.Equal(want, got.Place, cmpopts.IgnoreUnexported(Finding{})) || got.Place.text != "RUN make [x] y" {
			t.Errorf("%+v: %+v", tt, got)
		}
	}
}

// TestFindingsInGit has Dockerfiles of git repositories: a finding is in a file of the
// job's repository only where it is that one.
func TestFindingsInGit(t *testing.T) {
	for _, tt := range []struct {
		name, repository, file, message, summary string
		git                                      *event.GitFile
	}{
		{
			name: "the job's own", repository: "git.example/team/app", git: &event.GitFile{Repository: "git.example/team/app", Path: "docker/Dockerfile", Name: "Dockerfile"},
			file: "docker/Dockerfile", message: "differs", summary: "<td><code>docker/Dockerfile:2</code></td>",
		},
		{
			name: "in another case", repository: "git.example/team/app", git: &event.GitFile{Repository: "git.example/Team/App", Path: "Dockerfile", Name: "Dockerfile"},
			file: "Dockerfile", message: "differs", summary: "<td><code>Dockerfile:2</code></td>",
		},
		{
			name: "another one", repository: "git.example/team/app", git: &event.GitFile{Repository: "git.example/team/base", Path: "docker/Dockerfile", Name: "Dockerfile"},
			message: "docker/Dockerfile:2 in git.example/team/base: differs", summary: "docker/Dockerfile:2 in git.example/team/base: differs",
		},
		{
			name: "of a job without a repository", git: &event.GitFile{Repository: "git.example/team/app", Path: "Dockerfile", Name: "Dockerfile"},
			message: "Dockerfile:2 in git.example/team/app: differs", summary: "Dockerfile:2 in git.example/team/app: differs",
		},
		{
			name: "without a host", git: &event.GitFile{Path: "Dockerfile", Name: "Dockerfile"},
			message: "Dockerfile:2: differs", summary: "Dockerfile:2: differs",
		},
		{
			name: "another file", repository: "git.example/team/app", git: &event.GitFile{Repository: "git.example/team/app", Path: "a/included", Name: "included"},
			message: "Dockerfile:2: differs", summary: "Dockerfile:2: differs",
		},
		{name: "none", repository: "git.example/team/app", message: "Dockerfile:2: differs", summary: "Dockerfile:2: differs"},
	} {
		c := Collector{Checkout: Checkout{Workspace: t.TempDir(), Repository: tt.repository}}
		place := &event.Place{Name: "Dockerfile", Start: 2}
		if tt.git != nil && tt.git.Name == place.Name {
			place.Git = tt.git
		}
		for _, e := range []event.Event{
			{Assigned: &event.Assigned{Git: tt.git, Nodes: []event.Assignment{{Node: "n"}}}},
			{Node: "n", SolveBegun: &event.SolveBegun{}},
			{Node: "n", Progress: &event.Progress{Warnings: []*event.Warning{{
				Short:  []byte("FromAsCasing: differs"),
				Source: &event.Source{Filename: "Dockerfile"}, Ranges: []*event.Range{{Start: &event.Position{Line: 2}}},
			}}}},
			{Failed: &event.Failed{Error: "differs", Place: place}},
		} {
			if err := c.Consume(e); err != nil {
				t.Fatal(err)
			}
		}
		r := c.Results().clean(nil)
		want := Finding{Message: tt.message, File: tt.file, Line: 2, EndLine: 2}
		if diff := cmp.Diff(&want, r.Error.Place, cmpopts.IgnoreUnexported(Finding{})); diff != "" {
			t.Errorf("%s: the failure (-want +got):\n%s", tt.name, diff)
		}
		want.Rule = "FromAsCasing"
		if diff := cmp.Diff([]Finding{want}, r.Warnings, cmpopts.IgnoreUnexported(Finding{})); diff != "" {
			t.Errorf("%s: the warning (-want +got):\n%s", tt.name, diff)
		}
		if text := summary(r); !strings.Contains(text, tt.summary) {
			t.Errorf("%s: %q is not in the summary:\n%s", tt.name, tt.summary, text)
		}
		quality, err := codeQuality(r)
		if err != nil {
			t.Fatal(err)
		}
		if has := strings.Count(string(quality), `"path": "`+tt.file+`"`); has != 2 && tt.file != "" || tt.file == "" && string(quality) != "[]\n" {
			t.Errorf("%s: code quality\n%s", tt.name, quality)
		}
		issues, err := warningsNG(r)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(issues), "fileName") != (tt.file != "") || !strings.Contains(string(issues), `"message":"`+tt.message+`"`) {
			t.Errorf("%s: warnings-ng\n%s", tt.name, issues)
		}
	}
}
