package ci

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/agent/ci/results"
	"github.com/slipway-build/slipway/agent/event"
)

// plainLog stands in for the display.
type plainLog struct{ closed error }

func (*plainLog) Consume(event.Event) error { return nil }
func (p *plainLog) Close() error            { return p.closed }
func (*plainLog) Stalled()                  {}

// lines is a log that keeps its commands.
type lines struct{ list []string }

func (l *lines) Command(line string) { l.list = append(l.list, line) }

// Clean stands in for the terminal's: brackets show that it was called.
func (l *lines) Clean(text string) string {
	if text == "" {
		return ""
	}
	return "<" + text + ">"
}

// TestReporter has every system. The log of those without annotations is the display.
func TestReporter(t *testing.T) {
	plain := &plainLog{closed: errors.New("closed")}
	for _, s := range append(Systems(), System{}) {
		_, same := s.Reporter(plain, &lines{}, results.Checkout{Workspace: "/w"}).(*plainLog)
		if want := s.Name != "github" && s.Name != "azure"; same != want {
			t.Errorf("%q has the display as its reporter: %t", s.Name, same)
		}
	}
}

// TestAnnotations has a build with warnings that two nodes report, and a failure.
func TestAnnotations(t *testing.T) {
	workspace := t.TempDir()
	dockerfile := filepath.Join(workspace, "docker", "Dockerfile.prod")
	if err := os.MkdirAll(filepath.Dir(dockerfile), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dockerfile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	github, _, err := Variables{}.Choose("github")
	if err != nil {
		t.Fatal(err)
	}
	warning := func(text, file string, line int32) *event.Warning {
		return &event.Warning{Short: []byte(text), URL: "https://u", Source: &event.Source{Filename: file}, Ranges: []*event.Range{{Start: &event.Position{Line: line}}}}
	}
	place := &event.Place{Name: "Dockerfile.prod", File: dockerfile, Start: 3, End: 4}
	own := &event.GitFile{Repository: "git.example/team/app", Path: "docker/Dockerfile", Name: "Dockerfile"}
	other := &event.GitFile{Repository: "git.example/team/base", Path: "docker/Dockerfile", Name: "Dockerfile"}
	for _, tt := range []struct {
		name      string
		workspace string
		events    []event.Event
		want      []string
	}{
		{name: "nothing", workspace: workspace},
		{"tests", workspace, []event.Event{
			{Assigned: &event.Assigned{Dockerfile: dockerfile}},
			{Tests: &event.Tests{Platform: "linux/arm64", Total: 9, Failed: 3, Failures: []event.TestFailure{
				{Name: "a.b", Message: "want 2", File: dockerfile, Line: 7}, {Name: "c", File: "/elsewhere/x", Line: 3}, {Name: "d", Message: "m", Line: 3},
			}}},
			{Failed: &event.Failed{Class: event.FailedBuild, Error: "boom"}},
		}, []string{
			"::error file=<docker/Dockerfile.prod>,line=7,endLine=7,title=<a.b>::<linux/arm64>: <want 2>",
			"::error title=<c>::</elsewhere/x:3>: <linux/arm64>: <the test has failed>",
			"::error title=<d>::<linux/arm64>: <m>",
			"::error title=slipway::<boom>",
		}},
		{"many tests", workspace, []event.Event{
			{Tests: &event.Tests{Failures: slices.Repeat([]event.TestFailure{{Name: "a", Message: "m"}}, 12)}},
			{Failed: &event.Failed{Class: event.FailedBuild, Error: "boom"}},
		}, append(slices.Repeat([]string{"::error title=<a>::<m>"}, 9), "::error title=slipway::<boom>")},
		{"warnings", workspace, []event.Event{
			{Assigned: &event.Assigned{Dockerfile: dockerfile}},
			{Progress: &event.Progress{Warnings: []*event.Warning{warning("Rule: says", "Dockerfile.prod", 2), warning("odd", "other", 0)}}},
			{Progress: &event.Progress{Warnings: []*event.Warning{warning("Rule: says", "Dockerfile.prod", 2), {Short: []byte("bare")}}}},
		}, []string{
			"::warning file=<docker/Dockerfile.prod>,line=2,endLine=2,title=<Rule::says> (<https://u>)",
			"::warning::<other>: <odd> (<https://u>)",
			"::warning::<bare>",
		}},
		{"a failure", workspace, []event.Event{{Failed: &event.Failed{Class: event.FailedBuild, Error: "exit code: 2", Step: "[2/2] RUN make", Place: place}}}, []string{
			"::error file=<docker/Dockerfile.prod>,line=3,endLine=4,title=<[2/2] RUN make>::<exit code: 2>",
		}},
		{"a failure outside of the workspace", t.TempDir(), []event.Event{{Failed: &event.Failed{Class: event.FailedBuild, Error: "exit code: 2", Place: place}}}, []string{
			"::error title=slipway::<Dockerfile.prod:3>: <exit code: 2>",
		}},
		{"the job's repository from git", "", []event.Event{
			{Assigned: &event.Assigned{Git: own}},
			{Progress: &event.Progress{Warnings: []*event.Warning{warning("Rule: says", "Dockerfile", 2)}}},
			{Failed: &event.Failed{Class: event.FailedBuild, Error: "exit code: 2", Place: &event.Place{Name: "Dockerfile", Git: own, Start: 3, End: 3}}},
		}, []string{
			"::warning file=<docker/Dockerfile>,line=2,endLine=2,title=<Rule::says> (<https://u>)",
			"::error file=<docker/Dockerfile>,line=3,endLine=3,title=slipway::<exit code: 2>",
		}},
		{"another repository", workspace, []event.Event{
			{Assigned: &event.Assigned{Git: other}},
			{Progress: &event.Progress{Warnings: []*event.Warning{warning("Rule: says", "Dockerfile", 2)}}},
			{Failed: &event.Failed{Class: event.FailedBuild, Error: "exit code: 2", Place: &event.Place{Name: "Dockerfile", Git: other, Start: 3, End: 3}}},
		}, []string{
			"::warning title=<Rule::<docker/Dockerfile:2 in git.example/team/base>: says> (<https://u>)",
			"::error title=slipway::<docker/Dockerfile:3 in git.example/team/base>: <exit code: 2>",
		}},
		{"no workspace", "", []event.Event{{Failed: &event.Failed{Class: event.FailedCluster, Error: "no pod"}}}, []string{"::error title=slipway::<no pod>"}},
		{"cancelled", workspace, []event.Event{{Failed: &event.Failed{Class: event.FailedCancelled, Error: "signal"}}}, nil},
	} {
		log := &lines{}
		r := github.Reporter(&plainLog{}, log, results.Checkout{Workspace: tt.workspace, Repository: "git.example/team/app"})
		for _, e := range tt.events {
			if err := r.Consume(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(log.list, tt.want) {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, strings.Join(log.list, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

// TestAnnotationsAreBounded has more warnings, of long texts, than are compared: of those
// after them only the number is kept.
func TestAnnotationsAreBounded(t *testing.T) {
	log := &lines{}
	github, _, _ := Variables{}.Choose("github")
	r := github.Reporter(&plainLog{}, log, results.Checkout{})
	for range 2 { // nodes
		for i := range maxWarnings + 5 {
			if err := r.Consume(event.Event{Progress: &event.Progress{Warnings: []*event.Warning{{Short: fmt.Appendf(nil, "w%d", i)}}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if kept, ok := r.(*annotator); !ok || len(kept.known) != maxWarnings || len(kept.warnings) != maxAnnotations {
		t.Errorf("%+v", r)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	// Of those that are not compared the second report counts as another.
	if want := "1000 more warnings are in the log only"; len(log.list) != 11 || log.list[10] != want {
		t.Errorf("%q, want %s", log.list[10:], want)
	}
}

// TestAnnotationsAreFew has more warnings than GitHub shows, and a log that nobody reads.
func TestAnnotationsAreFew(t *testing.T) {
	for name, closed := range map[string]error{"": nil, "stalled": &event.StalledError{Consumer: "display"}} {
		log := &lines{}
		github, _, _ := Variables{}.Choose("github")
		r := github.Reporter(&plainLog{closed: closed}, log, results.Checkout{})
		for i := range 13 {
			if err := r.Consume(event.Event{Progress: &event.Progress{Warnings: []*event.Warning{{Short: fmt.Appendf(nil, "w%d", i)}}}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); !errors.Is(err, closed) {
			t.Errorf("error %v", err)
		}
		if closed != nil {
			if len(log.list) > 0 {
				t.Errorf("%s: %q is written", name, log.list)
			}
			continue
		}
		if len(log.list) != 11 || log.list[9] != "::warning::<w9>" || log.list[10] != "3 more warnings are in the log only" {
			t.Errorf("%q", log.list)
		}
	}
}
