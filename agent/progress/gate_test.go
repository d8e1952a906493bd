package progress

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-build/slipway/internal/sanitize/sanitizetest"
)

// nastyText is what a build may say to take over a terminal or a CI job.
const nastyText = "\r::error::a\n##vso[task.setvariable variable=x]b\n\x1b]52;c;eA==\asection_start:1:a\r\x1b[0K--- c\n\u202ed\xff\x1b[2J\x1b[8mha:e"

// showHostile shows a build that says it wherever it can.
func showHostile(t *testing.T, options ...Option) string {
	t.Helper()
	var out bytes.Buffer
	terminal := NewTerminal(&out, nil)
	d, err := Open(t.Context(), terminal, Plain, "title "+nastyText, options...)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	show := shows(t, d, "node")
	v := client.Vertex{Digest: digest.FromString("1"), Name: "RUN " + nastyText, Started: &now}
	log := func(data string) *client.VertexLog {
		return &client.VertexLog{Vertex: v.Digest, Stream: 1, Data: []byte(data), Timestamp: now}
	}
	show(&client.SolveStatus{
		Vertexes: []*client.Vertex{&v, {
			Digest: digest.FromString("2"), Name: "of a group", Started: &now, Completed: &now,
			ProgressGroup: &pb.ProgressGroup{Id: "g", Name: "group " + nastyText},
		}},
		Statuses: []*client.VertexStatus{{ID: "status " + nastyText, Vertex: v.Digest, Started: &now, Timestamp: now}},
		Warnings: []*client.VertexWarning{{
			Vertex: v.Digest, Short: []byte("warning " + nastyText), Detail: [][]byte{[]byte(nastyText)},
			SourceInfo: &pb.SourceInfo{Filename: "file " + nastyText}, Range: []*pb.Range{{Start: &pb.Position{Line: 1}}},
		}},
	})
	for _, b := range []byte(nastyText) {
		show(&client.SolveStatus{Logs: []*client.VertexLog{log(string(b))}})
	}
	// Both streams meet in one line.
	other := log("so[x]\n")
	other.Stream = 2
	show(&client.SolveStatus{Logs: []*client.VertexLog{log("##v"), other}})
	done := v
	done.Completed, done.Error = &now, "failed "+nastyText
	show(&client.SolveStatus{Vertexes: []*client.Vertex{&done}})
	step := d.step("step " + nastyText)
	step.say("said https://u:p@h/?sig=1 " + nastyText)
	step.done(fmt.Errorf("step failed %s", nastyText))
	if _, err := fmt.Fprintf(terminal, "a diagnostic %s\n", nastyText); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(terminal, "after the end %s\n", nastyText); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPlainHasNoCommands(t *testing.T) {
	text := showHostile(t)
	for _, command := range sanitizetest.Commands(text) {
		t.Errorf("%s in:\n%q", command, text)
	}
	for _, want := range []string{
		"title", "[node] RUN", "group ", "status ", "warning ", "failed ", "step failed ", "a diagnostic ", "after the end ",
		"task.setvariable", "said https://xxxxx:xxxxx@h/?sig=xxxxx",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("output lacks %q:\n%s", want, text)
		}
	}
	// A carriage return ends a line, and the next one has the step in front.
	if !regexp.MustCompile(`(?m)^#\d+ \d+\.\d+ ::error::a\n#\d+ \d+\.\d+ ##vso \[task`).MatchString(text) {
		t.Errorf("lines of output are not those of their step:\n%s", text)
	}
}

// What BuildKit's display prints of a step between two pieces of a line makes the
// second one a line of its own.
func TestOutputBehindStatusHasNoCommands(t *testing.T) {
	var out bytes.Buffer
	d, err := Open(t.Context(), NewTerminal(&out, nil), Plain, "")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	v := &client.Vertex{Digest: digest.FromString("1"), Name: "RUN x", Started: &now}
	show := shows(t, d, "")
	// The first status is printed at once, the others at the end at the latest.
	show(&client.SolveStatus{Vertexes: []*client.Vertex{v}, Logs: []*client.VertexLog{{Vertex: v.Digest, Stream: 1, Data: []byte("half a line"), Timestamp: now}}})
	show(&client.SolveStatus{
		Statuses: []*client.VertexStatus{{ID: "status", Vertex: v.Digest, Started: &now, Completed: &now, Timestamp: now}},
		Logs:     []*client.VertexLog{{Vertex: v.Digest, Stream: 1, Data: []byte("::warning::the other half\n"), Timestamp: now}},
	})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if commands := sanitizetest.Commands(out.String()); len(commands) > 0 || !strings.Contains(out.String(), ": :warning::the other half") {
		t.Errorf("%q in:\n%s", commands, out.String())
	}
}

// Raw output is that of steps only.
func TestRawOutput(t *testing.T) {
	text := showHostile(t, RawOutput(true))
	if !strings.Contains(text, "##vso[task.setvariable variable=x]b\n") || !strings.Contains(text, "\x1b[2J") {
		t.Errorf("the output is not as it is:\n%q", text)
	}
	for line := range strings.Lines(text) {
		for _, name := range []string{"title", "RUN", "group ", "status ", "warning ", "failed "} {
			if strings.Contains(line, name) && strings.Contains(line, "##vso[") {
				t.Errorf("not output, and raw all the same: %q", line)
			}
		}
	}
}

// What is drawn on a terminal has passed the gate before.
func TestGate(t *testing.T) {
	for _, tt := range []struct {
		name string
		gate *gate
		want string
	}{
		{"for people", &gate{}, "a\nb ## [c]\n\x1b[31mred\x1b[0m"},
		{"raw", &gate{raw: true}, "a\rb\x00 ##[c]\n\x1b[31mred"},
		{"for a program", &gate{data: true, mask: maskOf("unseen-secret")}, "a\rb\x00 ##[c]\n\x1b[31mred"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Now()
			d := digest.FromString("1")
			var got []byte
			for _, s := range []*client.SolveStatus{
				{Logs: []*client.VertexLog{{Vertex: d, Stream: 1, Data: []byte("a\rb\x00 #")}, {Vertex: d, Stream: 2, Data: []byte("#[c]\n\x1b[3")}, {Vertex: d, Stream: 2, Data: []byte("1mred")}}},
				{Vertexes: []*client.Vertex{{Digest: d, Completed: &now}}},
			} {
				for _, l := range tt.gate.clean(s).Logs {
					got = append(got, l.Data...)
				}
			}
			if string(got) != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func maskOf(secrets ...string) *Mask {
	m := &Mask{}
	m.Add(secrets...)
	return m
}

// A line that never ends is shown in pieces, and not kept.
func TestEndlessOutput(t *testing.T) {
	g := &gate{}
	d := digest.FromString("1")
	piece := bytes.Repeat([]byte("x"), 10<<10)
	lines, longest := 0, 0
	var text []byte
	for range 20 {
		for _, l := range g.clean(&client.SolveStatus{Logs: []*client.VertexLog{{Vertex: d, Stream: 1, Data: piece}}}).Logs {
			text = append(text, l.Data...)
		}
	}
	for line := range bytes.Lines(text) {
		lines, longest = lines+1, max(longest, len(line))
	}
	if lines != 4 || longest > 65<<10 {
		t.Errorf("%d lines, the longest of %d bytes", lines, longest)
	}
}

// BenchmarkGate is the cost of showing a build's log to people.
func BenchmarkGate(b *testing.B) {
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "   \x1b[32mDownloading\x1b[0m https://files.example/packages/ab/cd/some_package-1.2.%d-py3-none-any.whl (1.2 MB)\n", i)
	}
	for name, data := range map[string]string{"coloured": text.String(), "plain": regexp.MustCompile(`\x1b\[[0-9]*m`).ReplaceAllString(text.String(), "")} {
		for _, secrets := range []int{0, 20} {
			b.Run(fmt.Sprintf("%s, %d secrets", name, secrets), func(b *testing.B) {
				m := &Mask{}
				for i := range secrets {
					m.Add(fmt.Sprintf("%c%d-dckr_pat_AbCdEfGhIjKlMnOpQrStUvWxYz", 'a'+i, i))
				}
				g := &gate{mask: m}
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					for rest := []byte(data); len(rest) > 0; {
						n := min(4096, len(rest))
						g.clean(&client.SolveStatus{Logs: []*client.VertexLog{{Vertex: "v", Stream: 1, Data: rest[:n]}}})
						rest = rest[n:]
					}
				}
			})
		}
	}
}
