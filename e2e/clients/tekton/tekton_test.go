// Package tekton runs what is in pipelines/tekton by Tekton itself, which it starts on the
// testbed's cluster. It goes on to run there: go run ./testbed tekton-down removes it.
package tekton

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/e2e/clients/platform"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	// A run mostly waits for pods.
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

// startLimit is longer than platform.Patience: where its programs are not there yet,
// Tekton takes minutes to compile.
const startLimit = 30 * time.Minute

var (
	made  *platform.Cluster
	setUp = sync.OnceValue(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), startLimit)
		defer cancel()
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error {
			start := exec.CommandContext(ctx, "go", "run", "./testbed", "tekton")
			start.Dir = "../.."
			if out, err := start.CombinedOutput(); err != nil {
				return fmt.Errorf("start Tekton: %w\n%s", err, out)
			}
			return nil
		})
		group.Go(func() (err error) {
			ctx, cancel := context.WithTimeout(ctx, platform.Patience)
			defer cancel()
			made, err = platform.New(ctx, "../../..", "tekton")
			return err
		})
		if err := group.Wait(); err != nil {
			return err
		}
		ctx, cancel = context.WithTimeout(context.Background(), platform.Patience)
		defer cancel()
		return prepare(ctx, made)
	})
)

type cluster struct{ *platform.Cluster }

// newCluster returns the cluster, which the first test makes, and has the test run beside
// the others.
func newCluster(t *testing.T) cluster {
	t.Helper()
	t.Parallel()
	if err := setUp(); err != nil {
		t.Fatal(err)
	}
	return cluster{made}
}

// cloneTask stands for the task git-clone of the hub, which the testbed does not
// reach: it has the parameters, the workspace and the result that the pipeline uses.
const cloneTask = `
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: git-clone}
spec:
  params: [{name: url}, {name: revision}]
  workspaces: [{name: output}]
  results: [{name: commit}]
  steps:
    - name: clone
      image: %s
      securityContext: {runAsNonRoot: true, runAsUser: 65532, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}
      command: [sh, -ec]
      args:
        - |
          cd $(workspaces.output.path)
          printf 'FROM scratch\nARG TARGETARCH\nARG COMMIT\nCOPY $TARGETARCH /made-for\nLABEL commit=$COMMIT\n' > Dockerfile
          echo amd64 > amd64; echo arm64 > arm64
          printf 0123abc > $(results.commit.path)
`

// prepare makes the tasks and the pipeline.
func prepare(ctx context.Context, c *platform.Cluster) error {
	objects := fmt.Sprintf(cloneTask, c.Bed.Images.Busybox)
	for _, name := range []string{"task.yaml", "pipeline.yaml"} {
		text, err := c.Adapted("tekton/" + name)
		if err != nil {
			return err
		}
		objects += "\n---\n" + text
	}
	// The hub's task becomes the one of the cluster.
	hub := objects[strings.Index(objects, "        resolver: hub\n"):strings.Index(objects, "      params:\n        - {name: url,")]
	objects = strings.Replace(objects, hub, "        name: git-clone\n", 1)
	if _, err := c.Run(ctx, objects, "apply", "-f", "-"); err != nil {
		return err
	}
	// Images are pulled with the service account's secret, as a cluster has it.
	_, err := c.Run(ctx, "", "patch", "serviceaccount", "slipway-agent", "--patch", `{"imagePullSecrets": [{"name": "pull"}]}`)
	return err
}

// status is of a TaskRun or a PipelineRun.
type status struct {
	Metadata struct{ Name string }
	Status   struct {
		Conditions []struct{ Status, Reason, Message string }
		PodName    string
		Results    []struct {
			Name  string
			Value any
		}
	}
}

func (s status) result(name string) string {
	for _, r := range s.Status.Results {
		if r.Name == name {
			return fmt.Sprint(r.Value)
		}
	}
	return ""
}

// create starts a run and waits for its end.
func (c cluster) create(t *testing.T, manifest string) status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), platform.Patience)
	defer cancel()
	out, err := c.Run(ctx, manifest, "create", "-o", "name", "-f", "-")
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSpace(out)
	for {
		if out, err = c.Run(ctx, "", "get", name, "-o", "json"); err != nil {
			t.Fatal(err)
		}
		var s status
		if err := json.Unmarshal([]byte(out), &s); err != nil {
			t.Fatal(err)
		}
		// A run that cannot start has no time of its completion.
		if len(s.Status.Conditions) == 1 && s.Status.Conditions[0].Status != "Unknown" {
			return s
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s has not ended:\n%s", name, out)
		case <-time.After(time.Second):
		}
	}
}

// log is what the pod of a TaskRun has printed.
func (c cluster) log(t *testing.T, s status) string {
	t.Helper()
	out, err := c.Run(t.Context(), "", "logs", s.Status.PodName, "--container", "step-build")
	if err != nil {
		return err.Error()
	}
	return out
}

func (c cluster) ended(t *testing.T, s status, want string) {
	t.Helper()
	if len(s.Status.Conditions) != 1 || s.Status.Conditions[0].Status != want {
		t.Fatalf("%s ended with %v, want %s\n%s", s.Metadata.Name, s.Status.Conditions, want, c.log(t, s))
	}
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %q, want %q", what, got, want)
	}
}

// TestPipeline runs the pipeline, whose results are those of the registry.
func TestPipeline(t *testing.T) {
	c := newCluster(t)
	text, err := c.Adapted("tekton/pipelinerun.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// The testbed has no storage class.
	claim := text[strings.Index(text, "      volumeClaimTemplate:\n"):strings.Index(text, "    - name: definitions\n")]
	text = strings.Replace(text, claim, "      persistentVolumeClaim: {claimName: source}\n", 1)
	c.claim(t)
	s := c.create(t, text)
	c.ended(t, s, "True")
	digest, err := c.Registry.Digest(t.Context(), c.AppPath()+":1")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "IMAGE_DIGEST", s.result("IMAGE_DIGEST"), digest)
	want(t, "IMAGE_URL", s.result("IMAGE_URL"), c.App()+":1")
	config, err := c.Registry.Config(t.Context(), c.AppPath()+":1", "linux/arm64")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the label", config.Config.Labels["commit"], "0123abc")
}

// claim makes a volume for the workspace source.
func (c cluster) claim(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for _, dir := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(dir, 0o777); err != nil { // for the user of the steps
			t.Fatal(err)
		}
	}
	manifest := fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: %[1]s}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  claimRef: {namespace: %[1]s, name: source}
  storageClassName: ""
  hostPath: {path: %[2]s}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/arch, operator: In, values: [amd64]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: source}
spec:
  storageClassName: ""
  volumeName: %[1]s
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
`, c.Name, dir)
	if _, err := c.Run(t.Context(), manifest, "create", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := c.Run(context.Background(), "", "delete", "persistentvolume", c.Name, "--wait=false"); err != nil {
			t.Error(err)
		}
	})
}

// taskRun runs the task on the context of that name, which a step before it would have
// made, and pushes an image with that tag.
func (c cluster) taskRun(name, params string) string {
	return fmt.Sprintf(`
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {generateName: build-}
spec:
  serviceAccountName: slipway-agent
  taskRef: {name: slipway-build}
  podTemplate: {securityContext: {fsGroup: 65532}}
  params:
    - {name: IMAGE, value: "%[1]s:%[2]s"}
%[3]s
  workspaces:
    - {name: source, configMap: {name: %[2]s}}
    - {name: definitions, configMap: {name: slipway-builders}}
    - {name: dockerconfig, secret: {secretName: registry}}
`, c.App(), name, params)
}

// hostile is a value that a shell would take for something else.
const hostile = "'; exit 1; \"$(exit 1)\" `exit 1`\n$HOME \\n 🚢"

// TestTask passes values that arrive as they are, and reads the results back.
func TestTask(t *testing.T) {
	c := newCluster(t)
	dockerfile := "FROM scratch\nARG VALUE\nLABEL value=$VALUE\nCOPY Dockerfile /\n"
	c.context(t, "task", dockerfile)
	argument, err := json.Marshal("--build-arg=VALUE=" + hostile)
	if err != nil {
		t.Fatal(err)
	}
	s := c.create(t, c.taskRun("task", `    - {name: PLATFORMS, value: linux/amd64}
    - {name: EXTRA_ARGS, value: [`+string(argument)+`]}`))
	c.ended(t, s, "True")
	digest, err := c.Registry.Digest(t.Context(), c.AppPath()+":task")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "IMAGE_DIGEST", s.result("IMAGE_DIGEST"), digest)
	config, err := c.Registry.Config(t.Context(), c.AppPath()+":task", "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the value", config.Config.Labels["value"], hostile)
}

// TestLongResults pushes more names than the results of a TaskRun hold: what does not
// fit is left out, the digest is there.
func TestLongResults(t *testing.T) {
	c := newCluster(t)
	c.context(t, "long", "FROM scratch\nCOPY Dockerfile /\n")
	var names []string
	for i := range 40 {
		names = append(names, fmt.Sprintf(`"--tag=%s/%s-%02d:1"`, c.App(), strings.Repeat("long", 30), i))
	}
	s := c.create(t, c.taskRun("long", "    - {name: PLATFORMS, value: linux/amd64}\n    - {name: EXTRA_ARGS, value: ["+strings.Join(names, ", ")+"]}"))
	c.ended(t, s, "True")
	digest, err := c.Registry.Digest(t.Context(), c.AppPath()+":long")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "IMAGE_DIGEST", s.result("IMAGE_DIGEST"), digest)
	want(t, "IMAGE_URL", s.result("IMAGE_URL"), c.App()+":long")
	if log := c.log(t, s); !strings.Contains(log, "IMAGES") {
		t.Errorf("the log does not say what was left out:\n%s", log)
	}
}

// TestFailedBuild ends the run with the program's exit code, and leaves no result.
func TestFailedBuild(t *testing.T) {
	c := newCluster(t)
	c.context(t, "failed", "FROM scratch\nCOPY nothing /\n")
	s := c.create(t, c.taskRun("failed", "    - {name: PLATFORMS, value: linux/amd64}"))
	c.ended(t, s, "False")
	want(t, "IMAGE_DIGEST", s.result("IMAGE_DIGEST"), "")
	if log := c.log(t, s); !strings.Contains(log, `"/nothing": not found`) {
		t.Errorf("the log lacks the reason:\n%s", log)
	}
	if message := s.Status.Conditions[0].Message; !strings.Contains(message, "exited with code 1") && !strings.Contains(message, "exit code 1") {
		t.Errorf("the message is %q", message)
	}
}

// context puts a Dockerfile into the ConfigMap of that name.
func (c cluster) context(t *testing.T, name, dockerfile string) {
	t.Helper()
	object, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]string{"name": name}, "data": map[string]string{"Dockerfile": dockerfile},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Run(t.Context(), string(object), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}
