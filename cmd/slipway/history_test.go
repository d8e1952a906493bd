package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/cmd/slipway/buildref"
)

// TestHistoryCommands runs the commands with a builder that has two builds.
func TestHistoryCommands(t *testing.T) {
	const id = "8roqkfvgz1hebnxfhx4o5r545"
	for _, tt := range []struct {
		name string
		line string
		code int
		out  string // all of it, or part with a * behind
		err  string // a part
	}{
		{"ls", "ls --format {{.FullRef}},{{.Name}},{{.Status}}", 0, "far/far/second,app,Completed\nfar/far/" + id + ",src,Completed\n", ""},
		{"ls as a table", "ls", 0, "BUILD ID*", ""},
		{"ls with a filter", "ls --filter ref=" + id + " --format {{.Ref}}", 0, id + "\n", ""},
		{"ls with a wrong filter", "ls --filter name=x", 2, "", `error: --filter "name=x": there are ref, repository, status`},
		{"ls with a wrong format", "ls --format {{.Nope}}", 2, "", "{{.FullRef}}"},
		{"ls of the current repository", "ls --local", 2, "", "--filter repository="},
		{"logs", "logs " + id, 0, "", "RUN make"},
		{"logs of the latest but one", "logs ^1 --progress rawjson", 0, "", `"vertexes"`},
		{"logs of nothing", "logs nope", 2, "", "error: build nope: is not in the history of builder \"far\"\nhint: "},
		{"logs of a wrong name", "logs a/b", 2, "", `build "a/b": is not an ID`},
		{"inspect", "inspect far/far/" + id, 0, "Name:*", ""},
		{"inspect another builder's", "--builder far history inspect near/far/" + id, 2, "", `is one of builder "near", not of "far"`},
		{"inspect by a template", "inspect --format {{.Ref}}/{{.Context}} " + id, 0, id + "//src\n", ""},
		{"inspect as JSON", "inspect --format json " + id, 0, "{\n  \"Name\": \"src\",\n  \"Ref\": \"" + id + "\",\n*", ""},
		{"inspect no attachment", "inspect attachment " + id, 2, "", "add --type, --platform or a digest"},
		{"export and all", "export --all " + id, 2, "", "--all exports all builds"},
		{"rm nothing", "rm", 2, "", "no build is named"},
		{"rm and all", "rm --all x", 2, "", "--all removes all builds"},
		{"rm", "rm ^1", 0, "", ""},
		{"open", "open " + id, 2, "", "slipway history export"},
		{"trace", "trace --addr 127.0.0.1:0 " + id, 2, "", "slipway history export"},
		{"import", "import -f x", 2, "", "slipway history export"},
		{"a timeout", "ls --timeout=-1s", 2, "", "must not be negative"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alone(t)
			code, out, errs, daemon := runHistory(t, tt.line)
			if part, ok := strings.CutSuffix(tt.out, "*"); code != tt.code || ok && !strings.HasPrefix(out, part) || !ok && out != tt.out || !strings.Contains(errs, tt.err) {
				t.Errorf("exit code %d, want %d, %q, and said %q", code, tt.code, out, errs)
			}
			if kept := len(daemon.Kept()); kept != 2 && tt.name != "rm" || kept != 1 && tt.name == "rm" {
				t.Errorf("%d builds are left", kept)
			}
		})
	}
}

// runHistory runs a command of history where a builder has two builds, of one of which
// buildx's directory has the paths.
func runHistory(t *testing.T, line string) (code int, out, errs string, daemon *fleettest.Daemon) {
	t.Helper()
	record := func(id, name string, before time.Duration) *control.BuildHistoryRecord {
		at := fleettest.Now.Add(-before)
		r := &control.BuildHistoryRecord{Ref: id, CreatedAt: timestamppb.New(at), CompletedAt: timestamppb.New(at.Add(time.Second)), FrontendAttrs: map[string]string{}}
		if name != "" {
			r.FrontendAttrs["build-arg:BUILDKIT_BUILD_NAME"] = name
		}
		return r
	}
	daemon = &fleettest.Daemon{Reports: steps(), Records: []*control.BuildHistoryRecord{record("8roqkfvgz1hebnxfhx4o5r545", "", time.Hour), record("second", "app", time.Minute)}}
	dir := workspace(t, daemon)
	t.Setenv("BUILDX_CONFIG", filepath.Join(dir, "buildx"))
	if err := buildref.Save(t.Context(), filepath.Join(dir, "buildx"), "far/far/8roqkfvgz1hebnxfhx4o5r545", buildref.State{LocalPath: "/src", DockerfilePath: "/src/Dockerfile"}); err != nil {
		t.Fatal(err)
	}
	args := strings.Fields(line)
	if !strings.HasPrefix(line, "--") {
		args = append([]string{"history"}, args...)
	}
	args = append([]string{"--definitions", filepath.Join(dir, "far.yaml")}, args...)
	var stdout, stderr bytes.Buffer
	code = run(args, streams{strings.NewReader(""), &stdout, &stderr})
	return code, stdout.String(), stderr.String(), daemon
}

// TestHistoryUnderDockersName has what docker's actions ask after a build.
func TestHistoryUnderDockersName(t *testing.T) {
	alone(t)
	daemon := &fleettest.Daemon{Records: []*control.BuildHistoryRecord{{Ref: "abc", CreatedAt: timestamppb.New(fleettest.Now), CompletedAt: timestamppb.New(fleettest.Now)}}}
	dir := workspace(t, daemon)
	t.Setenv("SLIPWAY_DEFINITIONS", filepath.Join(dir, "far.yaml"))
	docker := func(args ...string) (int, string, string) {
		var stdout, stderr bytes.Buffer
		code := runAs("docker", append([]string{"buildx"}, args...), streams{strings.NewReader(""), &stdout, &stderr})
		return code, stdout.String(), stderr.String()
	}
	code, out, errs := docker("history", "inspect", "--format", "json", "--builder", "far", "abc")
	var shown struct{ Ref, Status string }
	if err := json.Unmarshal([]byte(out), &shown); code != 0 || err != nil || shown.Ref != "abc" || shown.Status != "completed" {
		t.Errorf("inspect: exit code %d, %v, %q, %q", code, err, out, errs)
	}
	file := filepath.Join(dir, "build.dockerbuild")
	code, out, errs = docker("history", "export", "--builder", "far", "--output", file, "abc", "--finalize")
	if data, err := os.ReadFile(file); code != 0 || err != nil || out != "" || !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		t.Errorf("export: exit code %d, %v, %q, %q", code, err, out, errs)
	}
	code, _, errs = docker("history", "export", "--builder", "far", "--output", file+"2", "nope")
	if _, err := os.Stat(file + "2"); code != 1 || !os.IsNotExist(err) || !strings.HasPrefix(errs, "ERROR: build nope: is not in the history") {
		t.Errorf("export of nothing: exit code %d, %v, %q", code, err, errs)
	}
	if entries, _ := filepath.Glob(filepath.Join(dir, ".slipway-staging-*")); len(entries) > 0 {
		t.Errorf("it leaves %q", entries)
	}
	if code, out, _ = docker("history", "inspect", "--builder", "far", "abc"); code != 0 || !strings.Contains(out, "Print build logs: docker buildx history logs far/far/abc\n") {
		t.Errorf("inspect: exit code %d, %q", code, out)
	}
}
