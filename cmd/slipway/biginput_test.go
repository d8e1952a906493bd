package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"

	control "github.com/moby/buildkit/api/services/control"

	"github.com/slipway-build/slipway/agent/fleet/fleettest"
)

// manyTags are flags with so many names of an image, each of so many bytes.
func manyTags(count, length int) (args []string) {
	for i := range count {
		tag := fmt.Sprintf("reg.example/%d-", i)
		args = append(args, "--tag", tag+strings.Repeat("a", length-len(tag)))
	}
	return args
}

// TestTooManyTags has 10 MiB of names: the build ends with one line.
func TestTooManyTags(t *testing.T) {
	alone(t)
	dir := workspace(t, &fleettest.Daemon{})
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_STEP_SUMMARY", filepath.Join(dir, "summary"))
	var errs bytes.Buffer
	args := append([]string{"build", "--definitions", filepath.Join(dir, "far.yaml"), "--ci-results", filepath.Join(dir, "ci"), "--push", filepath.Join(dir, "docker")}, manyTags(4000, 2700)...)
	code := run(args, streams{strings.NewReader(""), &bytes.Buffer{}, &errs})
	if want := "error: --tag: 4000 names are given, and at most 1000 are taken\n"; code != exitUsage || !strings.Contains(errs.String(), want) || errs.Len() > 1<<10 {
		t.Errorf("exit code %d, %d bytes: %.2000s", code, errs.Len(), errs.String())
	}
	for _, name := range []string{"summary", "ci/slipway.json"} {
		if text := readText(t, filepath.Join(dir, name)); text == "" || len(text) > 4<<10 {
			t.Errorf("%s has %d bytes", name, len(text))
		}
	}
}

// TestTooManyArguments has as many arguments as a system passes on, by both names of the
// program: they are refused, and not parsed, which would take minutes.
func TestTooManyArguments(t *testing.T) {
	args := append([]string{"build", "."}, manyTags(100_000, 20)...)
	for name, code := range map[called]int{"slipway": exitUsage, "docker-buildx": exitBuild} {
		var errs bytes.Buffer
		got := runAs(name, args, streams{strings.NewReader(""), &bytes.Buffer{}, &errs})
		if want := ": the command line has 200002 arguments, and at most 10000 are taken\n"; got != code || !strings.Contains(strings.ToLower(errs.String()), want) || errs.Len() > 1<<10 {
			t.Errorf("%s: exit code %d, want %d: %.2000s", name, got, code, errs.String())
		}
	}
}

// TestManyTags has as many names as are taken, and more bytes than a system takes.
func TestManyTags(t *testing.T) {
	const limit = 1 << 20 // of GitHub
	alone(t)
	dir := workspace(t, &fleettest.Daemon{Reports: steps(), Answers: map[string]string{"containerimage.digest": "sha256:" + strings.Repeat("1", 64)}})
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_OUTPUT", filepath.Join(dir, "output"))
	t.Setenv("GITHUB_STEP_SUMMARY", filepath.Join(dir, "summary"))
	var errs bytes.Buffer
	args := append([]string{"build", "--definitions", filepath.Join(dir, "far.yaml"), "--platform", "linux/amd64", "--push", filepath.Join(dir, "docker")}, manyTags(1000, 255)...)
	if code := run(args, streams{strings.NewReader(""), &bytes.Buffer{}, &errs}); code != 0 {
		t.Fatalf("exit code %d: %.2000s", code, errs.String())
	}
	for _, name := range []string{"output", "summary"} {
		if text := readText(t, filepath.Join(dir, name)); text == "" || len(text) > limit {
			t.Errorf("%s has %d bytes", name, len(text))
		}
	}
	if summary := readText(t, filepath.Join(dir, "summary")); !strings.Contains(summary, "<td>and 950 more</td>") {
		t.Errorf("the summary does not say how many names it leaves out: %.4000s", summary)
	}
}

// colours are sequences that set colours.
var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// varying are times and sizes in a log.
var varying = regexp.MustCompile(`[0-9]+(\.[0-9]+)?(ms|s|B|kB)\b|127\.0\.0\.1:[0-9]+|/tmp/[^ )"]*|#[0-9]+ [0-9.]+ `)

// TestColoursAndWidthOfTheLog has a build that fails, in a narrow job of each kind of CI
// system: no variable of a terminal cuts a line, and NO_COLOR wins over FORCE_COLOR.
func TestColoursAndWidthOfTheLog(t *testing.T) {
	long := "make " + strings.Repeat("a-long-word ", 20) + "end-of-step"
	for _, system := range []string{"github", "gitlab", "jenkins", "none"} {
		var plain string
		for _, tt := range []struct {
			name      string
			variables map[string]string
			coloured  bool
		}{
			{"NO_COLOR", map[string]string{"NO_COLOR": "1"}, false},
			{"both", map[string]string{"NO_COLOR": "1", "FORCE_COLOR": "1"}, false},
			{"neither", nil, false},
			{"FORCE_COLOR", map[string]string{"FORCE_COLOR": "1"}, true},
			{"FORCE_COLOR=0", map[string]string{"FORCE_COLOR": "0"}, false},
			{"narrow", map[string]string{"COLUMNS": "20", "NO_COLOR": "1"}, false},
			{"narrow and coloured", map[string]string{"COLUMNS": "20", "FORCE_COLOR": "1"}, true},
		} {
			alone(t)
			for _, name := range []string{"NO_COLOR", "FORCE_COLOR", "COLUMNS"} {
				t.Setenv(name, tt.variables[name])
				if _, set := tt.variables[name]; !set {
					if err := os.Unsetenv(name); err != nil { // t.Setenv brings it back
						t.Fatal(err)
					}
				}
			}
			refusal := grpcerrors.ToGRPC(t.Context(), errdefs.WithSource(errors.New(`process "/bin/sh -c `+long+`" did not complete successfully: exit code: 2`), &errdefs.Source{
				Info:   &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("FROM scratch as x\n\nRUN " + long + "\n")},
				Ranges: []*pb.Range{{Start: &pb.Position{Line: 3}, End: &pb.Position{Line: 3}}},
			}))
			reports := steps()
			reports[0].Vertexes[1].Name = "[3/3] RUN " + long
			reports[0].Logs = []*control.VertexLog{{Vertex: reports[0].Vertexes[1].Digest, Timestamp: reports[0].Vertexes[1].Started, Stream: 1, Msg: []byte(long + "\n")}}
			dir := workspace(t, &fleettest.Daemon{Reports: reports, Refusal: refusal})
			var errs bytes.Buffer
			code := run([]string{"build", "--ci", system, "--heartbeat", "0", "--definitions", filepath.Join(dir, "far.yaml"), "--platform", "linux/amd64", filepath.Join(dir, "docker")}, streams{strings.NewReader(""), &bytes.Buffer{}, &errs})
			if code != exitBuild {
				t.Fatalf("exit code %d:\n%s", code, errs.String())
			}
			text := errs.String()
			if got := colours.MatchString(text); got != tt.coloured {
				t.Errorf("%s, %s: there are colours: %t, want %t:\n%q", system, tt.name, got, tt.coloured, text)
			}
			if strings.Count(text, long) < 3 { // head of the step, output, excerpt
				t.Errorf("%s, %s: a text is cut:\n%s", system, tt.name, text)
			}
			shape := varying.ReplaceAllString(colours.ReplaceAllString(text, ""), "*")
			if plain == "" {
				plain = shape
			} else if got := lineCount(shape); got != lineCount(plain) {
				t.Errorf("%s, %s: %d lines, want %d:\n%s\nwant\n%s", system, tt.name, got, lineCount(plain), shape, plain)
			}
		}
	}
}

func lineCount(text string) int { return strings.Count(text, "\n") }
