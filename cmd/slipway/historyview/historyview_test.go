package historyview

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/internal/format"
)

var now = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func ended(name string) builders.PodBuild {
	return builders.PodBuild{Builder: "kube", Node: "kube0", Pod: "kube0-abc", BuildRecord: buildkit.BuildRecord{
		Ref: "8roqkfvgz1hebnxfhx4o5r545", CreatedAt: now.Add(-2 * time.Hour), CompletedAt: now.Add(-2*time.Hour + 90*time.Second),
		TotalSteps: 4, CompletedSteps: 3, CachedSteps: 1, Attrs: map[string]string{"build-arg:BUILDKIT_BUILD_NAME": name},
	}}
}

func nowhere(builders.PodBuild) Local { return Local{} }

func TestList(t *testing.T) {
	running := ended("https://user:secret@git.example/team/app.git")
	running.CompletedAt, running.Now, running.CreatedAt, running.Ref = time.Time{}, now, now.Add(-1500*time.Millisecond), "second"
	failed := ended(strings.Repeat("long/", 10) + "näme\x1b[1m")
	failed.Failed, failed.Ref = true, "third"
	silent := ended("") // of a daemon that does not tell its time
	silent.CompletedAt, silent.Pod, silent.Ref = time.Time{}, "", "fourth"
	list := []builders.PodBuild{running, ended("app"), failed, silent}

	var out bytes.Buffer
	if err := Table(&out, list, nowhere, false, now); err != nil {
		t.Fatal(err)
	}
	if lines := strings.SplitAfter(out.String(), "\n"); len(lines) != 6 || !strings.HasPrefix(lines[0], "BUILD ID") || !strings.HasSuffix(lines[0], "NODE    POD\n") ||
		!strings.Contains(lines[2], "Completed") || !strings.Contains(lines[2], "1m 30s") || !strings.Contains(lines[3], "..") || !strings.Contains(lines[3], "näme") || strings.Contains(lines[3], "\x1b") ||
		!strings.HasSuffix(lines[4], "kube0\n") || strings.Contains(out.String(), "secret") {
		t.Errorf("the table is\n%s", out.String())
	}
	out.Reset()
	if err := JSON(&out, list[1:3], nowhere); err != nil {
		t.Fatal(err)
	}
	var record map[string]any
	first, _, _ := strings.Cut(out.String(), "\n")
	if err := json.Unmarshal([]byte(first), &record); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{
		"ref": "kube/kube0/8roqkfvgz1hebnxfhx4o5r545", "name": "app", "status": "Completed", "created_at": "2026-01-31T10:00:00Z", "completed_at": "2026-01-31T10:01:30Z",
		"total_steps": 4.0, "completed_steps": 3.0, "cached_steps": 1.0, "pod": "kube0-abc",
	}, record); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	template, err := format.Parse(`{{.Ref}} {{.FullRef}} {{.Status}} {{.CreatedAt}} {{.Duration}} {{.Link}} {{.Name}}`, Row{})
	if err != nil {
		t.Fatal(err)
	}
	if err := template.Write(&out, Headers, Rows(list[2:], nowhere, now, false)); err != nil || out.String() != "third kube/kube0/third Error 2 hours ago 1m 30s docker-desktop://dashboard/build/kube/kube0/third "+failed.Name("", "")+"\nfourth kube/kube0/fourth Running 2 hours ago  docker-desktop://dashboard/build/kube/kube0/fourth \n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestInspect(t *testing.T) {
	d := builders.BuildDetails{PodBuild: ended(""), RecordDetails: buildkit.RecordDetails{
		Platform:    "linux/amd64",
		Attachments: []buildkit.Attachment{{Digest: "sha256:aa", Platform: "linux/amd64", Type: "https://slsa.dev/provenance/v1"}},
		Materials:   []buildkit.Material{{URI: "https://token:x@git.example/lib", Digests: []string{"sha256:ff"}}},
		Failure:     &buildkit.RecordFailure{Step: "[2/2] RUN false", Logs: []string{"one", "two"}, Sources: []byte("Dockerfile:2\n"), Stack: []byte("stack")},
	}}
	d.Failed, d.Code, d.CodeName, d.Message = true, 2, "Unknown", "exit code: 7"
	d.Attrs = map[string]string{
		"frontend.caps": "x", "target": "test", "platform": "linux/arm64/v8,linux/amd64", "filename": "Failing", "vcs:localdir:dockerfile": "docker",
		"vcs:source": "https://git.example/app", "vcs:revision": "abc", "context:base": "docker-image://x", "label:a": "b", "build-arg:WHO": "me", "build-arg:SOURCE_DATE_EPOCH": "0",
		"build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR": "perhaps", "no-cache": "a,b", "add-hosts": "db=10.0.0.1,x=10.0.0.2", "memory": "1073741824", "attest:provenance": "mode=min", "cgroup": "z", "multi-platform": "true",
	}
	got := Inspect(d, Local{}, "/src")
	zone := got.StartedAt.Location()
	start, end := d.CreatedAt.In(zone), d.CompletedAt.In(zone)
	want := Inspection{
		Name: "docker/Failing (test)", Ref: d.Ref, Dockerfile: "docker/Failing", VCSRepository: "https://git.example/app", VCSRevision: "abc", Target: "test",
		Platform: []string{"linux/arm64", "linux/amd64"}, NamedContexts: []KeyValue{{"base", "docker-image://x"}},
		StartedAt: &start, CompletedAt: &end, Duration: 90 * time.Second, Status: "failed",
		Error:             &Failure{Code: 2, Message: "exit code: 7", Name: "[2/2] RUN false", Logs: []string{"one", "two"}, Sources: []byte("Dockerfile:2\n"), Stack: []byte("stack")},
		NumCompletedSteps: 3, NumTotalSteps: 4, NumCachedSteps: 1,
		BuildArgs: []KeyValue{{"SOURCE_DATE_EPOCH", "0"}, {"WHO", "me"}}, Labels: []KeyValue{{"a", "b"}},
		Config:    Config{MultiPlatform: true, NoCacheFilter: []string{"a", "b"}, ExtraHosts: []string{"db=10.0.0.1", "x=10.0.0.2"}, Memory: "1073741824", SourceDateEpoch: "0", RestRaw: []KeyValue{{"cgroup", "z"}}},
		Materials: []Material{{URI: "https://xxxxx:xxxxx@git.example/lib", Digests: []string{"sha256:ff"}}}, Attachments: []Attachment{{"sha256:aa", "linux/amd64", "https://slsa.dev/provenance/v1"}},
		Errors: []string{`failed to parse perhaps: (strconv.ParseBool: parsing "perhaps": invalid syntax)`}, Node: "kube0", Pod: "kube0-abc",
		fullRef: "kube/kube0/" + d.Ref, codeName: "Unknown",
	}
	want.Materials[0].URI = got.Materials[0].URI
	if strings.Contains(got.Materials[0].URI, "token:x") {
		t.Errorf("a credential is shown: %s", got.Materials[0].URI)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Inspection{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if d.Attrs["target"] != "test" {
		t.Error("the record was changed")
	}

	var out bytes.Buffer
	if err := got.Text(&out, false, "slipway history logs"); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"Name:            docker/Failing (test)\n", "Pod:             kube0-abc\n", "Platforms:       linux/arm64, linux/amd64\n",
		"Duration:     1m 30s\n", "Error:        Unknown exit code: 7\n", "Build Steps:  3/4 (25% cached)\n", "Memory:             1GiB\n", "cgroup:             z\n",
		"BUILD ARG          VALUE\n", "DIGEST     PLATFORM     TYPE\n", "Dockerfile:2\nLogs:\n> => [2/2] RUN false:\n> one\n> two\n", "Enable --debug to see stack traces for error\n",
		"Print build logs: slipway history logs kube/kube0/" + d.Ref + "\n",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the text lacks %q:\n%s", line, out.String())
		}
	}
	out.Reset()
	if err := got.Text(&out, true, "x"); err != nil || !strings.Contains(out.String(), "\nstack\n") {
		t.Errorf("%v\n%s", err, out.String())
	}

	// Of a build of this machine, and of one that still runs.
	d.RecordDetails, d.Failed, d.CompletedAt, d.Now, d.Attrs = buildkit.RecordDetails{}, false, time.Time{}, now, map[string]string{"no-cache": "", "platform": "nonsense/x/y/z"}
	got = Inspect(d, Local{Context: "/src/app", Dockerfile: "/src/app/docker/Dockerfile"}, "/src")
	if got.Context != "app" || got.Dockerfile != "docker/Dockerfile" || got.Name != "app/docker" || got.Status != "running" || got.Duration != 2*time.Hour || got.CompletedAt != nil || got.Error != nil || !got.Config.NoCache || len(got.Errors) != 1 || got.Platform != nil {
		t.Errorf("%+v", got)
	}
	out.Reset()
	if err := got.Text(&out, false, "x"); err != nil || !strings.Contains(out.String(), "120m  0s (running)\n") || !strings.Contains(out.String(), "Not understood: failed to parse nonsense") {
		t.Errorf("%v\n%s", err, out.String())
	}
	d.Failed, d.Cancelled = true, true
	if got = Inspect(d, Local{}, ""); got.Status != "canceled" {
		t.Errorf("status %s", got.Status)
	}
}
