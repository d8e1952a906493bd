package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	ciresults "github.com/slipway-build/slipway/agent/ci/results"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/cmd/slipway/process"
	"github.com/slipway-build/slipway/internal/sanitize/sanitizetest"
)

// workspace is a directory with a Dockerfile below docker and a definition of the daemon.
func workspace(t *testing.T, d *fleettest.Daemon) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"docker/Dockerfile": "FROM scratch as x\n\nRUN make\n",
		"far.yaml":          "Name: far\nDriver: remote\nNodes:\n- Name: far\n  Platforms: [linux/amd64]\n  Endpoint: " + d.Listen(t) + "\n",
		"output":            "", "summary": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// steps are a report of a step that was cached, one that was not, and a finding.
func steps() []*control.StatusResponse {
	now := timestamppb.New(time.Now())
	source := &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("FROM scratch as x\n\nRUN make\n")}
	return []*control.StatusResponse{{
		Vertexes: []*control.Vertex{
			{Digest: "sha256:" + strings.Repeat("1", 64), Name: "[2/3] RUN true", Cached: true, Started: now, Completed: now},
			{Digest: "sha256:" + strings.Repeat("2", 64), Name: "[3/3] RUN make", Started: now, Completed: now},
		},
		Warnings: []*control.VertexWarning{{
			Vertex: "sha256:" + strings.Repeat("2", 64), Short: []byte("FromAsCasing: 'as' and 'FROM' keywords' casing do not match"), Url: "https://docs.docker.com/go/dockerfile/rule/from-as-casing/",
			Info: source, Ranges: []*pb.Range{{Start: &pb.Position{Line: 1}, End: &pb.Position{Line: 1}}},
		}},
	}}
}

// TestResultsOfSuccess has what a runner of GitHub and a directory get.
func TestResultsOfSuccess(t *testing.T) {
	alone(t)
	const image, config = "sha256:0123456789012345678901234567890123456789012345678901234567890123", "sha256:f123456789012345678901234567890123456789012345678901234567890123"
	dir := workspace(t, &fleettest.Daemon{Reports: steps(), Answers: map[string]string{"containerimage.config.digest": config, "containerimage.digest": image, "image.name": "reg.example/app:1"}})
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_WORKSPACE", dir)
	t.Setenv("GITHUB_OUTPUT", filepath.Join(dir, "output"))
	t.Setenv("GITHUB_STEP_SUMMARY", filepath.Join(dir, "summary"))
	var out, errs bytes.Buffer
	code := run([]string{
		"build", "--definitions", filepath.Join(dir, "far.yaml"), "--platform", "linux/amd64", "--push", "--tag", "reg.example/app:1", "--build-arg", "WORD=not-to-be-shown", "--ci-results", filepath.Join(dir, "ci"), filepath.Join(dir, "docker"),
	}, streams{strings.NewReader(""), &out, &errs})
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, errs.String())
	}
	outputs := readText(t, filepath.Join(dir, "output"))
	for name, value := range map[string]string{"digest": image, "imageid": config, "tags": "reg.example/app:1"} {
		if _, rest, ok := strings.Cut(outputs, name+"<<slipway_"); !ok || !strings.Contains(rest[:min(150, len(rest))], "\n"+value+"\n") {
			t.Errorf("%s is not %s:\n%s", name, value, outputs)
		}
	}
	if !strings.Contains(outputs, `"slipway.platforms": {`) {
		t.Errorf("the metadata is missing:\n%s", outputs)
	}
	summary := readText(t, filepath.Join(dir, "summary"))
	for _, part := range []string{
		"### Image build succeeded\n", "<td><code>reg.example/app:1</code></td>", "<td>50%</td>", "<td><code>linux/amd64</code></td><td><code>far</code></td>", "<td>1 of 2</td>",
		"<td><code>docker/Dockerfile:1</code></td><td><code>FromAsCasing</code></td>",
		"<th>Build ID</th>", "<summary>Build inputs</summary>", "\ntag: reg.example/app:1\nbuild-arg: WORD\nci-results: ",
	} {
		if !strings.Contains(summary, part) {
			t.Errorf("the summary has no %s:\n%s", part, summary)
		}
	}
	if strings.Contains(summary, "not-to-be-shown") {
		t.Errorf("the summary has the value of a build argument:\n%s", summary)
	}
	want := "SLIPWAY_STATUS=succeeded\nSLIPWAY_DIGEST=" + image + "\nSLIPWAY_IMAGE=reg.example/app@" + image + "\nSLIPWAY_IMAGEID=" + config + "\nSLIPWAY_TAGS=reg.example/app:1\n"
	if got := readText(t, filepath.Join(dir, "ci", "slipway.env")); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var r ciresults.Results
	if err := json.Unmarshal([]byte(readText(t, filepath.Join(dir, "ci", "slipway.json"))), &r); err != nil {
		t.Fatal(err)
	}
	if r.Status != ciresults.Succeeded || r.Builder != "far" || len(r.Platforms) != 1 || r.Platforms[0].Digest != image || len(r.Platforms[0].Ref) != 25 || len(r.Inputs) != 7 || len(r.Warnings) != 1 || r.Warnings[0].File != "docker/Dockerfile" || len(r.Metadata) < 10 || r.Started.Location() != time.UTC {
		t.Errorf("%+v", r)
	}
}

// TestResultsOfFailure has a step that fails and shows a secret. Nothing is written of
// what it has made, and the secret nowhere.
func TestResultsOfFailure(t *testing.T) {
	alone(t)
	const secret = "hunter2-is-secret"
	refusal := grpcerrors.ToGRPC(t.Context(), errdefs.WithSource(errors.New(`process "/bin/sh -c make `+secret+`" did not complete successfully: exit code: 2`), &errdefs.Source{
		Info:   &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("FROM scratch as x\n\nRUN make " + secret + "\n")},
		Ranges: []*pb.Range{{Start: &pb.Position{Line: 3}, End: &pb.Position{Line: 3}}},
	}))
	dir := workspace(t, &fleettest.Daemon{Reports: steps(), Refusal: refusal})
	t.Setenv("GITLAB_CI", "true")
	t.Setenv("CI_SERVER_URL", "https://gitlab.example")
	t.Setenv("CI_PROJECT_PATH", "team/app")
	t.Setenv("CI_PROJECT_DIR", dir)
	t.Setenv("A_TOKEN", secret)
	var out, errs bytes.Buffer
	code := run([]string{
		"build", "--definitions", filepath.Join(dir, "far.yaml"), "--platform", "linux/amd64", "--build-arg", "A_TOKEN", "--push", "--tag", "reg.example/app:1", "--ci-results", filepath.Join(dir, "ci"), filepath.Join(dir, "docker"),
	}, streams{strings.NewReader(""), &out, &errs})
	if code != 1 {
		t.Fatalf("exit code %d:\n%s", code, errs.String())
	}
	if got := readText(t, filepath.Join(dir, "ci", "slipway.env")); got != "SLIPWAY_STATUS=failed\n" {
		t.Error(got)
	}
	var issues []struct {
		Description, Severity string
		Location              struct {
			Path  string
			Lines struct{ Begin int }
		}
	}
	if err := json.Unmarshal([]byte(readText(t, filepath.Join(dir, "ci", "gl-code-quality-report.json"))), &issues); err != nil {
		t.Fatal(err)
	}
	if len(issues) != 2 || issues[0].Severity != "critical" || issues[0].Location.Path != "docker/Dockerfile" || issues[0].Location.Lines.Begin != 3 || issues[0].Description != "RUN make *** (Dockerfile:3): exit code: 2" || issues[1].Location.Lines.Begin != 1 {
		t.Errorf("%+v", issues)
	}
	var r ciresults.Results
	if err := json.Unmarshal([]byte(readText(t, filepath.Join(dir, "ci", "slipway.json"))), &r); err != nil {
		t.Fatal(err)
	}
	if r.ExitCode != 1 || r.Error == nil || !strings.Contains(r.Error.Excerpt, ">>> RUN make ***") || r.Error.Place == nil || r.Metadata != nil || r.Platforms[0].Cached != 1 {
		t.Errorf("%+v", r)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "ci"))
	if err != nil || len(entries) != 5 {
		t.Errorf("%v, %v", entries, err)
	}
	for _, entry := range entries {
		if text := readText(t, filepath.Join(dir, "ci", entry.Name())); strings.Contains(text, secret) {
			t.Errorf("%s has a secret:\n%s", entry.Name(), text)
		}
	}
}

// TestResultsThatCannotBeWritten has an output that takes the place of the directory with
// the results: the error of a build that has succeeded is that its results are nowhere.
func TestResultsThatCannotBeWritten(t *testing.T) {
	alone(t)
	dir := workspace(t, &fleettest.Daemon{})
	results := filepath.Join(dir, "ci")
	var out, errs bytes.Buffer
	code := run([]string{
		"build", "--definitions", filepath.Join(dir, "far.yaml"), "--platform", "linux/amd64", "--metadata-file", results, "--ci-results", results, filepath.Join(dir, "docker"),
	}, streams{strings.NewReader(""), &out, &errs})
	if code != 2 || !strings.Contains(errs.String(), "error: the build has succeeded, but its results cannot be written: ") || !strings.Contains(errs.String(), results) {
		t.Errorf("exit code %d:\n%s", code, errs.String())
	}
}

// TestVariablesOfAzure has the commands in the log, and none where the log is for a
// program.
func TestVariablesOfAzure(t *testing.T) {
	const image = "sha256:0123456789012345678901234567890123456789012345678901234567890123"
	for mode, want := range map[string]bool{"auto": true, "plain": true, "rawjson": false} {
		alone(t)
		dir := workspace(t, &fleettest.Daemon{Answers: map[string]string{"containerimage.digest": image}})
		t.Setenv("TF_BUILD", "True")
		var out, errs bytes.Buffer
		code := run([]string{
			"build", "--definitions", filepath.Join(dir, "far.yaml"), "--platform", "linux/amd64", "--progress", mode, "--push", "--tag", "reg.example/app:1", filepath.Join(dir, "docker"),
		}, streams{strings.NewReader(""), &out, &errs})
		if got := strings.Contains(errs.String(), "\n##vso[task.setvariable variable=SLIPWAY_DIGEST;isOutput=true]"+image+"\n"); code != 0 || got != want {
			t.Errorf("%s: exit code %d:\n%s", mode, code, errs.String())
		}
		if mode == "auto" {
			for _, command := range sanitizetest.CommandsBeside("azure", errs.String()) {
				t.Error(command)
			}
		}
	}
}

// TestResultsOfAFailureAtTheEnd has a build that has pushed an image and whose command then
// fails: the image is no result.
func TestResultsOfAFailureAtTheEnd(t *testing.T) {
	collector := &ciresults.Collector{}
	image := &ocispecs.Descriptor{Digest: "sha256:0123456789012345678901234567890123456789012345678901234567890123"}
	published := &event.Published{Image: image, Names: []string{"reg.example/app:1"}, Outputs: []event.Output{{Type: "image", Names: []string{"reg.example/app:1"}, Pushed: true}}}
	if err := collector.Consume(event.Event{Published: published}); err != nil {
		t.Fatal(err)
	}
	told := &told{collector: collector}
	in := &invocation{ctx: t.Context(), called: "slipway"}
	if r := told.results(in, nil); r.Status != ciresults.Succeeded || r.Image == "" || r.Digest == "" || len(r.Tags) != 1 {
		t.Errorf("%+v", r)
	}
	r := told.results(in, &usageError{err: errors.New("--iidfile: no space left on device")})
	if r.Status != ciresults.Failed || r.ExitCode != 2 || r.Image+r.Digest+r.ImageID != "" || r.Tags != nil || r.Error.Message != "--iidfile: no space left on device" {
		t.Errorf("%+v", r)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(process.SignalError{Signal: syscall.SIGTERM})
	if r := told.results(&invocation{ctx: ctx, called: "slipway"}, context.Canceled); r.Status != ciresults.Cancelled || r.ExitCode != 143 || r.Error.Message != "cancelled by SIGTERM" {
		t.Errorf("%+v", r)
	}
}

// TestARefusalForAForkIsExplained has a registry that refuses the push of a job for a pull
// request from a fork.
func TestARefusalForAForkIsExplained(t *testing.T) {
	refusal := errors.New("failed to push ghcr.io/team/app:1: denied: permission_denied: write_package")
	const hint = "hint: this job runs for a pull request from a fork (me/app): Jenkins gives it no secrets, and its own token may not push; build without --push there, or push when it is merged\n"
	for _, fork := range []string{"me/app", ""} {
		alone(t)
		dir := workspace(t, &fleettest.Daemon{Refusal: refusal})
		t.Setenv("JENKINS_URL", "https://jenkins.example/")
		t.Setenv("BUILD_ID", "7")
		t.Setenv("CHANGE_FORK", fork)
		var out, errs bytes.Buffer
		code := run([]string{
			"build", "--definitions", filepath.Join(dir, "far.yaml"), "--platform", "linux/amd64", "--push", "--tag", "ghcr.io/team/app:1", filepath.Join(dir, "docker"),
		}, streams{strings.NewReader(""), &out, &errs})
		if code != 5 || strings.Contains(errs.String(), hint) != (fork != "") {
			t.Errorf("%q: exit code %d:\n%s", fork, code, errs.String())
		}
	}
}
