// Package jenkins tests pipelines/jenkins: its Jenkinsfiles and its shared library run
// in Groovy, with steps that are bound to shells in an agent's pod (jenkins.groovy),
// and build on the testbed's cluster. CPS, the sandbox and the masking of secrets are
// Jenkins' own, and are not tested here.
package jenkins

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/slipway-build/slipway/e2e/clients/platform"
	"github.com/slipway-build/slipway/e2e/testbed/groovy"
)

const pipelines = "../../../pipelines/jenkins"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	// A pipeline mostly waits for pods.
	if err := flag.Set("test.parallel", "4"); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	code := m.Run()
	if made == nil {
		return code
	}
	if err := made.Remove(); err != nil {
		fmt.Fprintln(os.Stderr, "error: clean up after the tests:", err)
		return 1
	}
	return code
}

// cluster is what the pipelines share.
type cluster struct{ *platform.Cluster }

var (
	made  *platform.Cluster
	setUp = sync.OnceValue(func() (err error) {
		ctx, cancel := context.WithTimeout(context.Background(), platform.Patience)
		defer cancel()
		made, err = platform.New(ctx, "../../..", "jenkins")
		return err
	})
)

func newCluster(t *testing.T) cluster {
	t.Helper()
	if err := setUp(); err != nil {
		t.Fatal(err)
	}
	return cluster{made}
}

// adapted is a file of pipelines/jenkins for the testbed.
func (c cluster) adapted(t *testing.T, name string) string {
	t.Helper()
	text, err := c.Adapted("jenkins/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// job is a pipeline and what Jenkins has for it.
type job struct {
	// files are those of the repository; the pipeline is Jenkinsfile.
	files       map[string]string
	credentials map[string]map[string]string
	params      map[string]any
	env         map[string]string
	// namespace is that of the agent's pod, that of the cluster where it is empty.
	namespace string
}

// ended is how a pipeline has ended.
type ended struct {
	Result      string
	Error       string
	Description string
	Env         map[string]string
	Issues      []struct {
		FileName  string
		LineStart int
		Severity  string
	}
	log     string
	archive string // the directory with the artifacts
}

// machineDockerfile makes an image that differs for each platform.
const machineDockerfile = "FROM scratch\nARG TARGETARCH\nARG VERSION\nCOPY $TARGETARCH /made-for\nLABEL version=$VERSION\n"

func (c cluster) run(t *testing.T, j job) ended {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), platform.Patience)
	defer cancel()
	dir := t.TempDir()
	repository, archive, result := filepath.Join(dir, "repository"), filepath.Join(dir, "archive"), filepath.Join(dir, "result.json")
	files := map[string]string{"agent.yaml": c.adapted(t, "agent.yaml"), "Dockerfile": machineDockerfile, "amd64": "amd64\n", "arm64": "arm64\n"}
	maps.Copy(files, j.files)
	for name, content := range files {
		writeFile(t, filepath.Join(repository, name), content)
	}
	if err := os.MkdirAll(archive, 0o755); err != nil {
		t.Fatal(err)
	}
	credentials := map[string]map[string]string{"registry": {"username": c.Bed.Registry.Username, "password": c.Bed.Registry.Password}}
	maps.Copy(credentials, j.credentials)
	env := map[string]string{"GIT_COMMIT": "0123abc"}
	maps.Copy(env, j.env)
	config, err := json.Marshal(map[string]any{
		"kubectl": filepath.Join(c.Bed.BinDir, "kubectl"), "kubeconfig": c.Bed.Kubeconfig, "namespace": cmp.Or(j.namespace, c.Name), "jnlpImage": c.Bed.Images.Busybox,
		"repository": repository, "jenkinsfile": filepath.Join(repository, "Jenkinsfile"), "library": pipelines,
		"env": env, "params": j.params, "credentials": credentials, "archive": archive, "result": result,
	})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "config.json"), string(config))
	command, err := groovy.Command(ctx, "jenkins.groovy", filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("groovy: %v\n%s", err, out)
	}
	text, err := os.ReadFile(result)
	if err != nil {
		t.Fatal(err)
	}
	e := ended{log: string(out), archive: archive}
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s %s\n%s", e.Result, e.Error, e.log)
		}
	})
	return e
}

func (e ended) succeeded(t *testing.T) ended {
	t.Helper()
	if e.Result != "SUCCESS" {
		t.Fatalf("the pipeline ended with %s: %s", e.Result, e.Error)
	}
	return e
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %q, want %q", what, got, want)
	}
}

func (e ended) artifact(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(e.archive, name))
	if err != nil {
		t.Error(err)
	}
	return string(text)
}
