package progress

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-build/slipway/internal/fault"
)

// play shows the same instruction done by two nodes and returns what a user
// sees.
func play(t *testing.T, mode Mode) string {
	t.Helper()
	var out bytes.Buffer
	terminal := NewTerminal(&out, nil)
	d, err := Open(t.Context(), terminal, mode, `building with "kube"`)
	if err != nil {
		t.Fatal(err)
	}
	step := d.step("[builder-arm64] starting builder")
	step.say("pod builder-arm64-0: pulling image")
	step.done(nil)
	d.step("silent").done(nil)
	now := time.Now()
	for _, label := range []string{"linux/amd64", "linux/arm64"} {
		show := shows(t, d, label)
		v := &client.Vertex{Digest: digest.FromString("same"), Name: "[2/2] RUN uname -m", Started: &now, Completed: &now}
		show(&client.SolveStatus{
			Vertexes: []*client.Vertex{v},
			Logs:     []*client.VertexLog{{Vertex: v.Digest, Stream: 1, Data: []byte("output of " + label + "\n"), Timestamp: now}},
			Warnings: []*client.VertexWarning{{
				Vertex:     v.Digest,
				Short:      []byte("FromAsCasing: casing does not match"),
				SourceInfo: &pb.SourceInfo{Filename: "Dockerfile"},
				Range:      []*pb.Range{{Start: &pb.Position{Line: 3}}},
			}},
		})
	}
	if _, err := terminal.Write([]byte("a diagnostic\n")); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := d.Warnings(); len(got) != 1 || got[0].Line != 3 || got[0].File != "Dockerfile" {
		t.Errorf("warnings = %+v, want the one of Dockerfile:3 once", got)
	}
	step.say("after the end")
	return out.String()
}

func TestPlainKeepsNodesApart(t *testing.T) {
	out := play(t, Plain)
	for _, want := range []string{
		`building with "kube"`,
		"[linux/amd64 2/2] RUN uname -m",
		"[linux/arm64 2/2] RUN uname -m",
		"output of linux/amd64",
		"output of linux/arm64",
		"pod builder-arm64-0: pulling image",
		"a diagnostic",
		"1 warning found:\n - FromAsCasing: casing does not match (Dockerfile:3)",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
	for _, not := range []string{"silent", "after the end"} {
		if strings.Contains(out, not) {
			t.Errorf("output has %q:\n%s", not, out)
		}
	}
}

func TestQuietShowsDiagnosticsOnly(t *testing.T) {
	for _, mode := range []Mode{Quiet, None} {
		if out := play(t, mode); out != "a diagnostic\n" {
			t.Errorf("%s printed %q", mode, out)
		}
	}
}

func TestRawJSONIsJSONOnly(t *testing.T) {
	for line := range strings.Lines(play(t, RawJSON)) {
		var s client.SolveStatus
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Errorf("line is no status: %v: %s", err, line)
		}
	}
}

func TestFailedStepIsShown(t *testing.T) {
	var out bytes.Buffer
	d, err := Open(t.Context(), NewTerminal(&out, nil), Plain, "")
	if err != nil {
		t.Fatal(err)
	}
	d.step("[builder-amd64] starting builder").done(errors.New("unschedulable"))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "unschedulable") {
		t.Errorf("the failure is not shown:\n%s", out.String())
	}
}

func TestTTYNeedsATerminal(t *testing.T) {
	if _, err := Open(t.Context(), NewTerminal(&bytes.Buffer{}, nil), TTY, ""); err == nil {
		t.Error("a buffer was taken for a terminal")
	}
}

func TestParseMode(t *testing.T) {
	for _, m := range modes {
		if got, err := ParseMode(string(m.mode)); err != nil || got != m.mode {
			t.Errorf("ParseMode(%q) = %q, %v", m.mode, got, err)
		}
	}
	if got, err := ParseMode(""); err != nil || got != Auto {
		t.Errorf("empty mode = %q, %v", got, err)
	}
	if _, err := ParseMode("fancy"); err == nil || !strings.Contains(err.Error(), "rawjson") {
		t.Errorf("an unknown mode must list the known ones: %v", err)
	}
}

func TestPrefix(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"[2/3] RUN x", "[arm 2/3] RUN x"},
		{"exporting to client directory", "[arm] exporting to client directory"},
	} {
		if got := prefix(tt.name, "arm"); got != tt.want {
			t.Errorf("prefix(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestDisplayThatPanics shows a step that hides in a group while it is the one
// that is shown, at which BuildKit's display panics.
func TestDisplayThatPanics(t *testing.T) {
	d, err := Open(t.Context(), NewTerminal(&bytes.Buffer{}, nil), Plain, "")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	show := shows(t, d, "")
	group := &pb.ProgressGroup{Id: "g", Weak: true}
	for _, v := range []client.Vertex{
		{Digest: "a", Name: "a", Started: &now}, {Digest: "a", Name: "a", Started: &now, ProgressGroup: group},
		{Digest: "b", Name: "b", Started: &now}, {Digest: "b", Name: "b2", Started: &now}, {Digest: "b", Name: "b3", Started: &now},
	} {
		show(&client.SolveStatus{Vertexes: []*client.Vertex{&v}})
	}
	if err := d.Close(); !errors.As(err, new(*fault.Panic)) {
		t.Errorf("error %v, want a fault", err)
	}
}
