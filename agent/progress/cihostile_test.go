package progress_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/agent/ci/results"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/internal/sanitize/sanitizetest"
)

// pieces are what hostile texts are made of.
var pieces = []string{
	"::", "::error::x", "::set-output name=a::b", "::stop-commands::t", "::add-path::/p", "::group::g", "::endgroup::", "##[", "##[group]", "##[set-env name=a]b",
	"##vso[", "##vso[task.setvariable variable=a]b", "##VSO[task.prependpath]p", "##teamcity[x]", "section_start:1:x\r\x1b[0K", "section_end:1:x\r\x1b[0K", "section_start:2:y[collapsed=true]\r\x1b[0K",
	"--- ", "+++ ", "~~~ ", "^^^ +++", "\n", "\r", "\r\n", "\t", " ", "\x1b[0K", "\x1b[31m", "\x1b[8mha:", "\x1b]52;c;eA==\a", "\x1b]0;t\x1b\\", "\x1b", "\x1bc", "\x9b2J", "\u009b2J", "\x00",
	"\u2028", "\u2029", "\u0085", "\v", "\f", "\u202e", "\u200b", "\ufeff", "\u00a0", "\uff1a\uff1a", "\xff", "\xc2", "%0A", "%0D%0A::error::y", "%AZP25", "]", ";", ",", "=", ":", "#", "#1 ", "[linux/amd64] ", "[", "a", "word", "/", "..",
}

// hostile is a text of some of the pieces.
func hostile(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(6) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

// meant notes what a reporter means a CI system to obey.
type meant struct {
	ci.Commands
	lines []string
	// texts are what each line says, and files where; empty where it says nothing.
	texts, files []string
}

func (m *meant) note(line, text, file string) string {
	if line != "" {
		m.lines, m.texts, m.files = append(m.lines, line), append(m.texts, text), append(m.files, file)
	}
	return line
}

func (m *meant) Begin(name, title string, at time.Time, folded bool) string {
	line := m.Commands.Begin(name, title, at, folded)
	if at.IsZero() { // a question whether there are sections
		return line
	}
	return m.note(line, title, "")
}

func (m *meant) End(name string, at time.Time) string {
	return m.note(m.Commands.End(name, at), "", "")
}

func (m *meant) Unfold() string {
	return m.Commands.Unfold() // noted where it is seen
}

func (m *meant) Alone(line string) string {
	with := m.Commands.Alone(line)
	if with == line || line == "x" {
		return with
	}
	return m.note(with, line, "")
}

func (m *meant) Annotate(a ci.Annotation) string {
	if a.Message == "x" && a.Title == "" && a.File == "" {
		return m.Commands.Annotate(a)
	}
	text := a.Message
	if a.Title != "" && strings.HasPrefix(m.Mask("x"), "##vso") { // its messages have no title
		text = a.Title + ": " + text
	}
	return m.note(m.Commands.Annotate(a), text, a.File)
}

// tellHostile tells a build that says hostile things wherever it can.
func tellHostile(s *script, r *rand.Rand, dockerfile string) {
	n := &node{s, hostile(r), hostile(r), map[string]time.Time{}, nil}
	other := &node{s, "builder-arm64", "linux/arm64", map[string]time.Time{}, nil}
	nodes := []event.Assignment{{Node: n.name, Platforms: []string{n.platform}}}
	if r.IntN(2) == 0 {
		nodes = append(nodes, event.Assignment{Node: other.name, Platforms: []string{other.platform}})
	}
	s.emit(event.Event{Assigned: &event.Assigned{Builder: hostile(r), Dockerfile: dockerfile, Nodes: nodes}})
	n.emit(event.Event{Waiting: &event.Waiting{Stage: event.StageStart, Reason: hostile(r)}})
	steps := []string{}
	for range 1 + r.IntN(4) {
		steps = append(steps, hostile(r))
	}
	of := func() *node { return []*node{n, other}[r.IntN(len(nodes))] }
	for range 5 + r.IntN(20) {
		at, step := of(), steps[r.IntN(len(steps))]
		switch r.IntN(12) {
		case 0, 1:
			at.begin(step)
		case 2:
			at.part(step, hostile(r), int64(r.IntN(1000)), int64(r.IntN(1000)))
		case 3:
			at.end(step, hostile(r), false)
		case 4:
			at.end(step, "", r.IntN(2) == 0)
		case 5:
			at.emit(event.Event{Progress: &event.Progress{Warnings: []*event.Warning{{
				Vertex: "sha256:" + step, Short: []byte(hostile(r)), URL: hostile(r), Source: &event.Source{Filename: hostile(r)},
				Ranges: []*event.Range{{Start: &event.Position{Line: int32(r.IntN(4))}}},
			}}}})
		case 6:
			at.emit(event.Event{BuilderLost: &event.BuilderLost{Error: hostile(r), Try: 2, Tries: 3}})
		case 7:
			time.Sleep(time.Duration(r.IntN(90)) * time.Second)
		default:
			if _, begun := at.began[step]; !begun {
				at.begin(step)
			}
			text := hostile(r) + hostile(r)
			for len(text) > 0 { // in pieces that end anywhere
				cut := 1 + r.IntN(len(text))
				at.say(step, text[:cut])
				text = text[cut:]
			}
		}
	}
	if r.IntN(2) == 0 {
		s.emit(event.Event{Publishing: &event.Publishing{Names: []string{hostile(r)}}})
		s.emit(event.Event{Published: &event.Published{Names: []string{hostile(r)}, Merged: []string{hostile(r)}, Outputs: []event.Output{{Type: hostile(r), Dest: hostile(r), Names: []string{hostile(r)}, Pushed: r.IntN(2) == 0}}}})
		return
	}
	s.emit(event.Event{Failed: &event.Failed{
		Class: event.FailedBuild, Step: hostile(r), Error: hostile(r), Place: &event.Place{Name: hostile(r), File: []string{dockerfile, ""}[r.IntN(2)], Start: r.IntN(3), End: 2},
	}})
}

// checkHostile has a hostile build shown by a system's reporter, and its log read as the
// system reads it.
func checkHostile(t *testing.T, system ci.System, seed uint64, directory string) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	noted := &meant{Commands: system.Commands}
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		terminal := progress.NewTerminal(&out, nil)
		form := &progress.StepLog{Sections: noted, Grouped: r.IntN(3) == 0, Heartbeat: time.Minute}
		display, err := progress.Open(t.Context(), terminal, progress.Auto, "title "+hostile(r), progress.Steps(form))
		if err != nil {
			t.Fatal(err)
		}
		told := system
		told.Commands = noted
		s := &script{t, told.Reporter(display, terminal, results.Checkout{Workspace: directory})}
		tellHostile(s, r, filepath.Join(directory, "::error::#[;,]%0A", "Dockerfile"))
		if r.IntN(2) == 0 {
			fmt.Fprintf(terminal, "a diagnostic %s\n", hostile(r))
		}
		if err := s.reporter.Close(); err != nil {
			t.Fatal(err)
		}
	})
	var want []sanitizetest.Obeyed
	for i, line := range noted.lines {
		one := sanitizetest.Obey(system.Name, line)
		if len(one) != 1 || strings.Contains(line, "\n") {
			t.Fatalf("seed %d: %q is meant to be one command of %s, and is %+v", seed, line, system.Name, one)
		}
		if file := one[0].Properties["file"] + one[0].Properties["sourcepath"]; one[0].Data != noted.texts[i] || file != noted.files[i] {
			t.Fatalf("seed %d: %s reads of %q the text %q and the file %q, want %q and %q", seed, system.Name, line, one[0].Data, file, noted.texts[i], noted.files[i])
		}
		want = append(want, one...)
	}
	got := slices.DeleteFunc(sanitizetest.Obey(system.Name, out.String()), func(o sanitizetest.Obeyed) bool { return o.Name == "^^^" })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("seed %d: %s obeys (-meant +found):\n%s\nof %q", seed, system.Name, diff, out.String())
	}
	// Nothing else is obeyed by anybody.
	if found := sanitizetest.CommandsBeside(system.Name, out.String()); len(found) > 0 {
		t.Fatalf("seed %d: the log for %s has %q", seed, system.Name, found)
	}
}

// hostileWorkspace is a workspace whose paths are hostile, too.
func hostileWorkspace(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "::error::#[;,]%0A"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "::error::#[;,]%0A", "Dockerfile"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestABuildCannotCommandTheSystem has random builds that say hostile things, in the log
// of every system that has commands, and in a plain one.
func TestABuildCannotCommandTheSystem(t *testing.T) {
	dir := hostileWorkspace(t)
	for _, system := range ci.Systems() {
		if system.Name != ci.Plain && system.Commands.Begin("x", "x", time.Time{}, true) == "" {
			continue // it is as the plain one
		}
		for seed := range uint64(50) {
			checkHostile(t, system, seed, dir)
		}
	}
}

// FuzzLogs is TestABuildCannotCommandTheSystem with other builds.
func FuzzLogs(f *testing.F) {
	f.Add(uint64(1), uint8(0))
	systems := ci.Systems()
	f.Fuzz(func(t *testing.T, seed uint64, system uint8) {
		checkHostile(t, systems[int(system)%len(systems)], seed, hostileWorkspace(t))
	})
}
