package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/slipway-build/slipway/e2e/kubectl"
	"github.com/slipway-build/slipway/e2e/registrytest"
	"github.com/slipway-build/slipway/e2e/testbed/state"
	"github.com/slipway-build/slipway/e2e/yardstick"
)

// patience bounds every wait for the cluster, and for the end of a pipeline.
var patience = yardstick.Scale(2 * time.Minute)

// otherBinary names a slipway that takes the place of the checkout's: a test is seen
// to fail with a binary that lacks what it tests.
const otherBinary = "SLIPWAY_UNDER_TEST"

// stand is what all pipelines share: builders in the cluster, and what a platform team
// gives to a runner.
type stand struct {
	kubectl.Namespace
	// dir holds the files of the runner: definitions, kubeconfig, docker/config.json.
	dir string
	// slipway is the program; it is in a directory of its own.
	slipway string
	// action is a repository with nothing but the action in it: act copies all of it.
	action string
	images *registrytest.Client
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	code := m.Run()
	if err := removeStand(); err != nil {
		fmt.Fprintln(os.Stderr, "error: clean up after the tests:", err)
		return 1
	}
	return code
}

var (
	made     *stand
	makeOnce = sync.OnceValues(makeStand)
)

// newStand returns the stand, which the first test that needs it makes.
func newStand(t *testing.T) *stand {
	t.Helper()
	s, err := makeOnce()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func makeStand() (*stand, error) {
	bed, err := state.Load()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "slipway-clients-")
	if err != nil {
		return nil, err
	}
	s := &stand{Namespace: kubectl.Namespace{Bed: bed, Name: fmt.Sprintf("clients-%d", time.Now().UnixNano()%1e9)}, dir: dir, action: filepath.Join(dir, "action")}
	made = s
	if err := os.CopyFS(filepath.Join(s.action, "pipelines/github"), os.DirFS("../../pipelines/github")); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if s.slipway, err = s.program(ctx); err != nil {
		return nil, err
	}
	if s.images, err = registrytest.New(bed.Registry); err != nil {
		return nil, err
	}
	return s, s.setUp(ctx)
}

// program builds the product, unless another binary is named.
func (s *stand) program(ctx context.Context) (string, error) {
	file := filepath.Join(s.dir, "bin", "slipway")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	if other := os.Getenv(otherBinary); other != "" {
		other, err := filepath.Abs(other)
		if err != nil {
			return "", err
		}
		return file, os.Symlink(other, file)
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", file, "./cmd/slipway")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build slipway: %w\n%s", err, out)
	}
	return file, nil
}

// setUp does what a platform team does once: rights, a definition, builders that run.
func (s *stand) setUp(ctx context.Context) error {
	rights, err := os.ReadFile("../../pipelines/github/rbac.yaml")
	if err != nil {
		return err
	}
	objects := "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + s.Name + "}\n---\n" +
		strings.NewReplacer("namespace: buildkit", "namespace: "+s.Name, "namespace: arc-runners", "namespace: "+s.Name).Replace(string(rights))
	if _, err := s.Run(ctx, objects, "create", "-f", "-"); err != nil {
		return err
	}
	files, err := registrytest.BuilderFiles(s.Bed.Registry)
	if err != nil {
		return err
	}
	var nodes []map[string]any
	for _, arch := range []string{"amd64", "arm64"} {
		nodes = append(nodes, map[string]any{
			"Name":      "builder-" + arch,
			"Platforms": []map[string]string{{"os": "linux", "architecture": arch}},
			"Files":     files,
			"DriverOpts": map[string]string{
				"image": s.Bed.Images.BuildKit, "namespace": s.Name, "nodeselector": "kubernetes.io/arch=" + arch, "timeout": patience.String(),
			},
			"Slipway": map[string]any{"transport": "portforward"},
		})
	}
	definition, err := json.Marshal(map[string]any{"Name": "kube", "Driver": "kubernetes", "Nodes": nodes, "Dynamic": false})
	if err != nil {
		return err
	}
	credentials, err := registrytest.DockerConfigFor(s.Bed.Registry)
	if err != nil {
		return err
	}
	for name, content := range map[string]string{"definitions/kube": string(definition), "docker/config.json": credentials} {
		path := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	up := exec.CommandContext(ctx, s.slipway, "up", "--definitions", filepath.Join(s.dir, "definitions"))
	up.Env = append(os.Environ(), "KUBECONFIG="+s.Bed.Kubeconfig)
	if out, err := up.CombinedOutput(); err != nil {
		return fmt.Errorf("slipway up: %w\n%s", err, out)
	}
	return s.writeKubeconfig(ctx)
}

// writeKubeconfig writes the kubeconfig of the runner's service account.
func (s *stand) writeKubeconfig(ctx context.Context) error {
	token, err := s.Run(ctx, "", "create", "token", "runner")
	if err != nil {
		return err
	}
	config, err := clientcmd.LoadFromFile(s.Bed.Kubeconfig)
	if err != nil {
		return err
	}
	config.AuthInfos = map[string]*api.AuthInfo{"runner": {Token: strings.TrimSpace(token)}}
	for _, one := range config.Contexts {
		one.AuthInfo = "runner"
	}
	return clientcmd.WriteToFile(*config, s.kubeconfig())
}

func (s *stand) kubeconfig() string { return filepath.Join(s.dir, "kubeconfig") }

// env is what the runner's image and its pod have set.
func (s *stand) env() map[string]string {
	return map[string]string{
		"KUBECONFIG":          s.kubeconfig(),
		"SLIPWAY_DEFINITIONS": filepath.Join(s.dir, "definitions"),
		"SSL_CERT_FILE":       s.Bed.Registry.CA,
		"DOCKER_CONFIG":       filepath.Join(s.dir, "docker"),
	}
}

// path is the PATH of the runner.
func (s *stand) path() string { return filepath.Dir(s.slipway) + ":" + os.Getenv("PATH") }

func removeStand() error {
	if made == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if made.images != nil {
		made.images.Close()
	}
	return errors.Join(made.Stop(ctx), made.Delete(ctx), os.RemoveAll(made.dir))
}

// repository makes a git repository with these files, all committed, whose origin is
// that URL, and returns its directory.
func repository(t *testing.T, origin string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		writeFile(t, filepath.Join(dir, name), content, 0o644)
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"}, {"add", "--all"},
		{"-c", "user.name=dev", "-c", "user.email=dev@acme.test", "commit", "--quiet", "--message=First"},
		{"remote", "add", "origin", origin},
	} {
		if out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args[0], err, out)
		}
	}
	return dir
}

// ended is how a client ended.
type ended struct {
	out  string // standard output and standard error
	code int
}

// runClient runs a client to its end.
func runClient(t *testing.T, dir string, env []string, name string, args ...string) ended {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); cmd.ProcessState == nil || ctx.Err() != nil {
		t.Fatalf("%s: %v\n%s", name, err, &out)
	}
	return ended{out: out.String(), code: cmd.ProcessState.ExitCode()}
}

// has fails the test unless the log holds all words.
func (e ended) has(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(e.out, w) {
			t.Errorf("the log lacks %q", w)
		}
	}
	e.explain(t)
}

// lacks fails the test if the log holds any of the words.
func (e ended) lacks(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(e.out, w) {
			t.Errorf("the log holds %q", w)
		}
	}
	e.explain(t)
}

// ended fails the test unless the client ended with that code.
func (e ended) with(t *testing.T, code int) ended {
	t.Helper()
	if e.code != code {
		t.Errorf("exit %d, want %d", e.code, code)
		e.explain(t)
	}
	return e
}

func (e ended) explain(t *testing.T) {
	t.Helper()
	if t.Failed() {
		t.Fatalf("the log:\n%s", e.out)
	}
}
