package progress

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// brackets are sections that are easy to read.
type brackets struct{}

func (brackets) Begin(_, title string, _ time.Time, folded bool) string {
	if !folded {
		return ""
	}
	return "{ " + title
}
func (brackets) End(string, time.Time) string { return "}" }
func (brackets) Unfold() string               { return "" }
func (brackets) Alone(line string) string     { return line }

// told is a build as a test of the log's form tells it.
type told struct {
	*Display
	began map[string]time.Time
}

func (d *told) status(s *client.SolveStatus) {
	d.send(s)
	synctest.Wait()
}

func (d *told) begin(name string) {
	now := time.Now()
	d.began[name] = now
	d.status(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: digest.FromString(name), Name: name, Started: &now}}})
}

func (d *told) say(name, text string) {
	d.status(&client.SolveStatus{Logs: []*client.VertexLog{{Vertex: digest.FromString(name), Stream: 1, Data: []byte(text), Timestamp: time.Now()}}})
}

func (d *told) end(name, failure string) {
	now, began := time.Now(), d.began[name]
	d.status(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: digest.FromString(name), Name: name, Started: &began, Completed: &now, Error: failure}}})
}

// logIn is the log of a build in a form.
func logIn(t *testing.T, form StepLog, tell func(d *told), options ...Option) string {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		d, err := Open(t.Context(), NewTerminal(&out, maskOf("s3cret-value")), Auto, "", append(options, Steps(&form))...)
		if err != nil {
			t.Fatal(err)
		}
		tell(&told{d, map[string]time.Time{}})
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return out.String()
}

func TestStepLines(t *testing.T) {
	sections, plain := StepLog{Sections: brackets{}, Heartbeat: time.Minute}, StepLog{Heartbeat: time.Minute}
	for _, tt := range []struct {
		name string
		form StepLog
		tell func(d *told)
		want string
	}{
		{"two steps take turns", sections, func(d *told) {
			d.begin("a")
			d.begin("b")
			d.say("a", "1\n")
			d.say("b", "1\n")
			d.say("a", "2\n")
			d.say("b", "2\n")
			d.end("a", "")
			d.say("b", "3\n")
			d.end("b", "")
		}, "{ #1 a\n#1 0.000 1\n#1 0.000 2\n#1 DONE 0.0s\n}\n{ #2 b\n#2 0.000 1\n#2 0.000 2\n#2 0.000 3\n#2 DONE 0.0s\n}\n"},
		{"a step that is quiet gives way", sections, func(d *told) {
			d.begin("a")
			d.begin("b")
			d.say("a", "1\n")
			time.Sleep(time.Second)
			d.say("b", "1\n")
			time.Sleep(20 * time.Second)
			d.say("b", "2\n")
			d.end("b", "")
			d.say("a", "2\n")
			d.end("a", "")
		}, "{ #1 a\n#1 0.000 1\n}\n{ #2 b\n#2 1.000 1\n#2 21.00 2\n#2 DONE 21.0s\n}\n{ #1 a (continued)\n#1 21.00 2\n#1 DONE 21.0s\n}\n"},
		{"nobody waits for ever", sections, func(d *told) {
			d.begin("a")
			d.begin("b")
			for i := range 80 {
				d.say("a", fmt.Sprintf("%d\n", i))
				if i == 0 {
					d.say("b", "1\n")
				}
				time.Sleep(time.Second)
			}
			d.end("b", "")
		}, "{ #2 b\n#2 0.000 1\n"},
		{"what fails is in no section", sections, func(d *told) {
			d.begin("a")
			d.begin("b")
			d.say("a", "1\n")
			d.say("b", "wrong\n")
			d.end("b", "exit code: 1")
			d.end("a", "context canceled")
		}, "{ #1 a\n#1 0.000 1\n}\n#2 b\n#2 0.000 wrong\n#2 ERROR: exit code: 1\n#1 a: CANCELED\n"},
		{"lines that have no end", plain, func(d *told) {
			d.begin("a")
			d.begin("b")
			d.say("a", "one ")
			d.say("b", "other")
			d.say("a", "line\r\nnext")
			d.end("a", "")
		}, "#1 a\n#2 b\n#1 0.000 one line\n#1 0.000 next\n#1 DONE 0.0s\n#2 0.000 other\n"},
		{"signs of life", plain, func(d *told) {
			d.begin("[linux/arm64 2/2] RUN sleep")
			time.Sleep(250 * time.Second)
			d.say("[linux/arm64 2/2] RUN sleep", "x\n")
			time.Sleep(61 * time.Second)
		}, "#1 [linux/arm64 2/2] RUN sleep\n" +
			"#1 still running: [linux/arm64 2/2] RUN sleep, 1m0s, no output for 1m0s\n" +
			"#1 still running: [linux/arm64 2/2] RUN sleep, 2m0s, no output for 2m0s\n" +
			"#1 still running: [linux/arm64 2/2] RUN sleep, 4m0s, no output for 4m0s\n" +
			"#1 [linux/arm64] 250.0 x\n" +
			"#1 still running: [linux/arm64 2/2] RUN sleep, 5m10s, no output for 1m0s\n"},
		{"no signs of life", StepLog{}, func(d *told) {
			d.begin("a")
			time.Sleep(time.Hour)
			d.end("a", "")
		}, "#1 a\n#1 DONE 3600.0s\n"},
		{"grouped", StepLog{Grouped: true}, func(d *told) {
			d.begin("a")
			d.begin("b")
			d.say("a", "1\n")
			d.say("b", "1\n")
			d.end("b", "")
			d.say("a", "2\n")
		}, "#2 b\n#2 0.000 1\n#2 DONE 0.0s\n#1 a\n#1 0.000 1\n#1 0.000 2\n"},
		{"a diagnostic is seen", sections, func(d *told) {
			d.begin("a")
			d.say("a", "1\n")
			d.log("a warning\n")
			d.say("a", "2\n")
			d.end("a", "")
		}, "{ #1 a\n#1 0.000 1\n}\n#2 slipway\n#2 0.000 a warning\n{ #1 a (continued)\n#1 0.000 2\n#1 DONE 0.0s\n}\n#2 DONE 0.0s\n"},
		{"a secret", sections, func(d *told) {
			d.begin("RUN echo s3cret-value")
			d.say("RUN echo s3cret-value", "it is s3cret-")
			d.say("RUN echo s3cret-value", "value\n")
			d.end("RUN echo s3cret-value", "")
		}, "{ #1 RUN echo ***\n#1 0.000 it is ***\n#1 DONE 0.0s\n}\n"},
		{"a source is identified, then loaded", plain, func(d *told) {
			d.begin("a")
			time.Sleep(100 * time.Millisecond)
			d.end("a", "")
			time.Sleep(50 * time.Millisecond)
			d.begin("a")
			time.Sleep(200 * time.Millisecond)
			d.end("a", "")
			time.Sleep(time.Second)
			d.end("a", "")
		}, "#1 a\n#1 DONE 0.3s\n"},
		{"a step that ends twice", plain, func(d *told) {
			d.begin("a")
			d.end("a", "")
			d.end("a", "")
		}, "#1 a\n#1 DONE 0.0s\n"},
	} {
		got := logIn(t, tt.form, tt.tell)
		if tt.name == "nobody waits for ever" {
			if before, _, ok := strings.Cut(got, tt.want); !ok || strings.Count(before, "\n") < 55 || strings.Count(before, "\n") > 65 {
				t.Errorf("%s:\n%s", tt.name, got)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestStepLinesOfGroups has the parts of an instruction that BuildKit shows as one step:
// weak ones are none by themselves.
func TestStepLinesOfGroups(t *testing.T) {
	got := logIn(t, StepLog{}, func(d *told) {
		now := time.Now()
		part := func(name, group string, weak bool, ended *time.Time) {
			d.status(&client.SolveStatus{Vertexes: []*client.Vertex{{
				Digest: digest.FromString(name), Name: name, Started: &now, Completed: ended, ProgressGroup: &pb.ProgressGroup{Id: group, Name: "[2/2] " + group, Weak: weak},
			}}})
		}
		part("weak", "COPY", true, &now)
		part("alone", "hidden", true, &now)
		time.Sleep(2 * time.Second)
		later := time.Now()
		part("strong", "COPY", false, nil)
		part("strong", "COPY", false, &later)
	})
	if want := "#1 [2/2] COPY\n#1 DONE 2.0s\n"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestStepLinesHoldLittle has steps that put out more than may wait.
func TestStepLinesHoldLittle(t *testing.T) {
	for name, form := range map[string]StepLog{"sections": {Sections: brackets{}}, "grouped": {Grouped: true}} {
		got := logIn(t, form, func(d *told) {
			d.begin("a")
			d.begin("b")
			d.say("a", "1\n")
			line := strings.Repeat("x", 1000) + "\n"
			for range 1500 {
				d.say("b", line)
			}
			d.end("a", "")
			d.end("b", "")
		})
		if n := strings.Count(got, "x\n"); n != 1500 || strings.Contains(got, "#2 b (continued)\n") != form.Grouped || strings.Contains(got, "#1 a (continued)") {
			t.Errorf("%s: %d of 1500 lines are in\n%.1000s", name, n, got)
		}
	}
}

// TestStepLinesRaw has a step whose output is printed as it is.
func TestStepLinesRaw(t *testing.T) {
	const output = "##vso[a]b \x1b[2J\n"
	tell := func(d *told) {
		d.begin("a")
		d.say("a", output)
		d.end("a", "")
	}
	if got := logIn(t, StepLog{}, tell, RawOutput(true)); !strings.Contains(got, "#1 0.000 "+output) {
		t.Errorf("raw: %q", got)
	}
	if got := logIn(t, StepLog{}, tell); !strings.Contains(got, "#1 0.000 ##vso [a]b \n") {
		t.Errorf("not raw: %q", got)
	}
}

// TestPlainIsBuildKitsForm has a log that programs may parse, in a job of a CI system.
func TestPlainIsBuildKitsForm(t *testing.T) {
	if out := play(t, Plain); !strings.Contains(out, "\n#1 [builder-arm64] starting builder\n#1 0.0") && !strings.Contains(out, "output of linux/amd64") {
		t.Errorf("%s", out)
	}
}

func TestRan(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	end := func(s int) *time.Time { e := at(s); return &e }
	for name, tt := range map[string]struct {
		periods [][2]int // the second is 0 for one that has not ended
		want    time.Duration
	}{
		"none":        {nil, 0},
		"one":         {[][2]int{{1, 4}}, 3 * time.Second},
		"apart":       {[][2]int{{1, 2}, {5, 7}}, 3 * time.Second},
		"overlapping": {[][2]int{{1, 4}, {2, 6}, {3, 5}}, 5 * time.Second},
		"not ended":   {[][2]int{{1, 4}, {5, 0}}, 3 * time.Second},
	} {
		s := &logStep{periods: map[int64]period{}}
		for i, p := range tt.periods {
			one := period{from: at(p[0])}
			if p[1] > 0 {
				one.to = end(p[1])
			}
			s.periods[int64(i)] = one
		}
		if got := s.ran(); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestLaneOf(t *testing.T) {
	for _, tt := range []struct {
		name string
		own  bool
		want string
	}{
		{"[linux/arm64 2/3] RUN x", false, "linux/arm64"},
		{"[linux/arm/v7] exporting to image", false, "linux/arm/v7"},
		{"[linux/amd64->arm64 build 2/3] RUN x", false, "linux/amd64->arm64"},
		{"[windows(10.0.17763)/amd64 1/1] FROM x", false, "windows(10.0.17763)/amd64"},
		{"[2/3] RUN x", false, ""},
		{"[internal] load build definition", false, ""},
		{"[builder-arm64] starting builder", true, "builder-arm64"},
		{"[builder-arm64] starting builder", false, ""},
		{"slipway", true, ""},
	} {
		if got := laneOf(tt.name, tt.own); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.name, got, tt.want)
		}
	}
}
