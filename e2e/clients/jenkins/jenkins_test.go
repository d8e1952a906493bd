// Package jenkins tests pipelines/jenkins: its Jenkinsfiles and its shared library run
// in Groovy, with steps that are bound to shells in an agent's pod (jenkins.groovy),
// and build on the testbed's cluster. CPS, the sandbox and the masking of secrets are
// Jenkins' own, and are not tested here.
package jenkins

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-build/slipway/e2e/kubectl"
	"github.com/slipway-build/slipway/e2e/registrytest"
	"github.com/slipway-build/slipway/e2e/testbed/groovy"
	"github.com/slipway-build/slipway/e2e/testbed/state"
	"github.com/slipway-build/slipway/e2e/yardstick"
)

const pipelines = "../../../pipelines/jenkins"

// patience bounds a run of a pipeline, and of what is made before it.
var patience = yardstick.Scale(3 * time.Minute)

// otherBinary names a slipway that takes the place of the checkout's: a test is seen
// to fail with a binary that lacks what it tests.
const otherBinary = "SLIPWAY_UNDER_TEST"

// cluster is what a platform team has set up.
type cluster struct {
	kubectl.Namespace
	// dir holds the program and the files with which the images are made.
	dir string
	// image is Slipway's own image, and debug the one with a shell.
	image, debug string
	images       *registrytest.Client
}

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
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := errors.Join(made.Stop(ctx), made.Delete(ctx), os.RemoveAll(made.dir)); err != nil {
		fmt.Fprintln(os.Stderr, "error: clean up after the tests:", err)
		return 1
	}
	return code
}

var (
	made  *cluster
	setUp = sync.OnceValues(makeCluster)
)

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c, err := setUp()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func makeCluster() (*cluster, error) {
	bed, err := state.Load()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "slipway-jenkins-")
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("jenkins-%d", time.Now().UnixNano()%1e6)
	c := &cluster{Namespace: kubectl.Namespace{Bed: bed, Name: name}, dir: dir}
	made = c
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if c.images, err = registrytest.New(bed.Registry); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{c.program, c.objects, c.builders, c.ownImages} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// program builds the product, as what its image's stage build has.
func (c *cluster) program(ctx context.Context) error {
	file := filepath.Join(c.dir, "stage", "out", "slipway")
	for _, dir := range []string{"stage/out/home/slipway", "stage/etc/ssl/certs", "docker"} {
		if err := os.MkdirAll(filepath.Join(c.dir, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(c.dir, "stage/out/home/slipway"), 0o777|os.ModeSticky); err != nil {
		return err
	}
	certificates, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.dir, "stage/etc/ssl/certs/ca-certificates.crt"), certificates, 0o644); err != nil {
		return err
	}
	if other := os.Getenv(otherBinary); other != "" {
		program, err := os.ReadFile(other)
		if err != nil {
			return err
		}
		return os.WriteFile(file, program, 0o755)
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", file, "./cmd/slipway")
	build.Dir = "../../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build slipway: %w\n%s", err, out)
	}
	return nil
}

// objects makes the namespace, the rights of pipelines/jenkins/rbac.yaml, the
// definition and a pull secret. Agents and builders share the namespace.
func (c *cluster) objects(ctx context.Context) error {
	rights, err := os.ReadFile(filepath.Join(pipelines, "rbac.yaml"))
	if err != nil {
		return err
	}
	own := strings.NewReplacer("namespace: jenkins", "namespace: "+c.Name, "namespace: buildkit", "namespace: "+c.Name).Replace(string(rights))
	files, err := registrytest.BuilderFiles(c.Bed.Registry)
	if err != nil {
		return err
	}
	var nodes []map[string]any
	for _, arch := range []string{"amd64", "arm64"} {
		nodes = append(nodes, map[string]any{
			"Name": "builder-" + arch, "Platforms": []map[string]string{{"os": "linux", "architecture": arch}}, "Files": files,
			"DriverOpts": map[string]string{"image": c.Bed.Images.BuildKit, "namespace": c.Name, "nodeselector": "kubernetes.io/arch=" + arch, "timeout": patience.String()},
		})
	}
	definition, err := json.Marshal(map[string]any{"Name": "kube", "Driver": "kubernetes", "Nodes": nodes})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.dir, "kube"), definition, 0o600); err != nil {
		return err
	}
	credentials, err := registrytest.DockerConfigFor(c.Bed.Registry)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.dir, "docker", "config.json"), []byte(credentials), 0o600); err != nil {
		return err
	}
	all := []map[string]any{
		{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]string{"name": "slipway-builders"}, "data": map[string]string{"kube": string(definition)}},
		{"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson", "metadata": map[string]string{"name": "pull"}, "stringData": map[string]string{".dockerconfigjson": credentials}},
	}
	manifest := "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + c.Name + "}\n---\n" + own
	for _, object := range all {
		text, err := json.Marshal(object)
		if err != nil {
			return err
		}
		manifest += "\n---\n" + string(text)
	}
	_, err = c.Run(ctx, manifest, "create", "-f", "-")
	return err
}

// builders starts the builders, for which agents have no right.
func (c *cluster) builders(ctx context.Context) error { return c.slipway(ctx, "up", "kube") }

// ownImages makes Slipway's images, with the program that there is in the place of
// the compiler's stage.
func (c *cluster) ownImages(ctx context.Context) error {
	repository := c.Bed.Registry.Address + "/" + c.Name + "/slipway"
	c.image, c.debug = repository+":test", repository+":test-debug"
	for _, args := range [][]string{{"-t", c.debug, "--target", "debug"}, {"-t", c.image}} {
		args = append([]string{"build", "--platform", "linux/amd64", "--push", "--provenance", "false",
			"--build-context", "build=" + filepath.Join(c.dir, "stage"),
			"--build-context", "busybox:1.37.0-musl=oci-layout://" + c.Bed.Base.Layout + ":" + c.Bed.Base.Tag}, args...)
		if err := c.slipway(ctx, append(args, "../../..")...); err != nil {
			return err
		}
	}
	return nil
}

// slipway runs the program as who administers the cluster.
func (c *cluster) slipway(ctx context.Context, args ...string) error {
	command := exec.CommandContext(ctx, filepath.Join(c.dir, "stage/out/slipway"), args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+c.Bed.Kubeconfig, "SLIPWAY_DEFINITIONS="+filepath.Join(c.dir, "kube"), "DOCKER_CONFIG="+filepath.Join(c.dir, "docker"))
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("slipway %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// adapted is a file of pipelines/jenkins with the images and the registry of the
// testbed.
func (c *cluster) adapted(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(pipelines, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(
		"ghcr.io/slipway-build/slipway:0.2.0-debug", c.debug,
		"ghcr.io/slipway-build/slipway:0.2.0", c.image,
		"registry.example/ci/agent:1", c.Bed.Images.Busybox,
		"registry.example/team/app", c.app(),
	).Replace(string(text))
}

// app is the repository of what pipelines push.
func (c *cluster) app() string { return c.Bed.Registry.Address + "/" + c.Name + "/app" }

// job is a pipeline and what Jenkins has for it.
type job struct {
	// files are those of the repository; the pipeline is Jenkinsfile.
	files       map[string]string
	credentials map[string]map[string]string
	params      map[string]any
	env         map[string]string
}

// ended is how a pipeline has ended.
type ended struct {
	Result      string
	Error       string
	Description string
	Env         map[string]string
	Asked       []string
	log         string
	archive     string // the directory with the artifacts
}

// machineDockerfile makes an image that differs for each platform.
const machineDockerfile = "FROM scratch\nARG TARGETARCH\nARG VERSION\nCOPY $TARGETARCH /made-for\nLABEL version=$VERSION\n"

func (c *cluster) run(t *testing.T, j job) ended {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
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
		"kubectl": filepath.Join(c.Bed.BinDir, "kubectl"), "kubeconfig": c.Bed.Kubeconfig, "namespace": c.Name, "jnlpImage": c.Bed.Images.Busybox,
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
