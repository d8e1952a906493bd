package solve

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/solve/cache"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/agent/solve/session"
)

func TestDescribe(t *testing.T) {
	amd := plats("linux/amd64")
	r := Request{
		BuildArgs: attrs("VERSION", "1", "NPM_TOKEN", "sekret", "db_password", "sekret", "SIGNING_KEY", "sekret", "EMPTY_KEY", "", "URL", "https://u:sekret@h/"),
		Labels:    attrs("l", "x"),
		Proxy:     attrs("HTTP_PROXY", "http://u:sekret@proxy:3128"),
		Secrets:   []session.Secret{{ID: "z", Env: "SEKRET"}, {ID: "a", File: "/run/sekret"}},
		SSH:       []session.SSH{{ID: "default", Paths: []string{"/sekret"}}},
		CacheFrom: []cache.Entry{cacheEntry("registry", "ref", "h/a")},
		CacheTo:   []cache.Entry{cacheEntry("s3", "bucket", "b", "secret_access_key", "sekret")},
		Allow:     []string{"security.insecure"},
		Attests:   []Attest{{Type: "provenance", Disabled: true}},
	}
	in := inputs{
		Attrs:  attrs("filename", "Dockerfile", "context:x", "https://u:sekret@h/x.git"),
		Mounts: attrs("context", "/c"), Layouts: attrs("layout0", "/l"),
		ContextFile: "/tmp/spooled", DockerfileURL: "https://u:sekret@h/Dockerfile",
	}
	exports := []client.ExportEntry{{Type: "local", OutputDir: "out", Attrs: attrs("platform-split", "true")}}
	job := job.Job{Node: "n", Platforms: amd, Siblings: [][]ocispecs.Platform{amd, plats("linux/arm64")}}
	got := describeJob(r, in, job, exports, true)
	want := Description{
		Node: "n", Platforms: []string{"linux/amd64"}, Frontend: "dockerfile.v0",
		Attributes: attrs("filename", "Dockerfile", "context:x", "https://xxxxx:xxxxx@h/x.git", "platform", "linux/amd64", "multi-platform", "true"),
		BuildArgs: attrs("VERSION", "1", "NPM_TOKEN", "***", "db_password", "***", "SIGNING_KEY", "***", "EMPTY_KEY", "",
			"URL", "https://xxxxx:xxxxx@h/", "HTTP_PROXY", "http://xxxxx:xxxxx@proxy:3128"),
		Labels:  attrs("l", "x"),
		Outputs: []DescribedOutput{{Type: "local", Dest: "out", Attributes: attrs("platform-split", "true")}},
		CacheFrom: []DescribedBackend{
			{Type: "registry", Attributes: attrs("ref", "h/a")},
			{Type: "registry", Attributes: attrs("ref", "h/a:latest-linux-amd64")},
			{Type: "registry", Attributes: attrs("ref", "h/a:latest-linux-arm64")},
		},
		CacheTo:      []DescribedBackend{{Type: "s3", Attributes: attrs("bucket", "b", "name", "buildkit-linux-amd64", "secret_access_key", "***")}},
		Entitlements: []string{"security.insecure"},
		Mounts:       attrs("context", "/c"), Layouts: attrs("layout0", "/l"),
		Stdin: true, DockerfileURL: "https://xxxxx:xxxxx@h/Dockerfile",
		Secrets: []string{"a", "z"}, SSH: []string{"default"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("description (-want +got):\n%s", diff)
	}
	// Unasked no value is shown, whatever the name.
	unasked := want
	unasked.BuildArgs = attrs("VERSION", "***", "NPM_TOKEN", "***", "db_password", "***", "SIGNING_KEY", "***", "EMPTY_KEY", "", "URL", "***", "HTTP_PROXY", "***")
	if diff := cmp.Diff(unasked, describeJob(r, in, job, exports, false)); diff != "" {
		t.Errorf("unasked (-want +got):\n%s", diff)
	}
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.ToLower(string(data)), "sekret") {
		t.Errorf("a secret is shown: %s", data)
	}
	// The request and what solveOptions makes of it are as before.
	if r.BuildArgs["NPM_TOKEN"] != "sekret" || r.CacheTo[0].Attrs["secret_access_key"] != "sekret" {
		t.Error("Describe changed the request")
	}
}

// TestPlanDescribesWhatEachNodeIsAskedFor shows the outputs as a job of
// several has them, which is not as the user has written them.
func TestPlanDescribesWhatEachNodeIsAskedFor(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, err := Prepare(t.Context(), Request{
		Context: dir,
		Tags:    []string{"reg.example/app:1", "reg.example/app:2"},
		Outputs: []output.Output{
			{Type: "registry", Attrs: map[string]string{}},
			{Type: "docker", Dest: filepath.Join(dir, "image.tar"), Attrs: map[string]string{}},
			{Type: "tar", Dest: filepath.Join(dir, "files.tar"), Attrs: map[string]string{}},
			{Type: "local", Dest: filepath.Join(dir, "out"), Attrs: map[string]string{}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := plan.Close(); err != nil {
			t.Error(err)
		}
	}()
	amd64, arm64 := plats("linux/amd64"), plats("linux/arm64")
	got, err := plan.Describe(job.Job{Node: "arm", Platforms: arm64, Siblings: [][]ocispecs.Platform{amd64, arm64}}, false)
	if err != nil {
		t.Fatal(err)
	}
	names := "reg.example/app:1,reg.example/app:2"
	want := []DescribedOutput{
		{Type: "image", Attributes: map[string]string{"name": "reg.example/app", "push": "true", "push-by-digest": "true", "unpack": "false"}},
		{Type: "oci", Dest: filepath.Join(dir, "image.tar"), Attributes: map[string]string{"name": names}},
		{Type: "tar", Dest: filepath.Join(dir, "files.tar"), Attributes: map[string]string{"platform-split": "true"}},
		{Type: "local", Dest: filepath.Join(dir, "out"), Attributes: map[string]string{"platform-split": "true"}},
	}
	if diff := cmp.Diff(want, got.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("a description has left %v: %v", left, err)
	}
}
