// Package argo runs what is in pipelines/argo by Argo Workflows itself, which it starts on
// the testbed's cluster. It goes on to run there: go run ./testbed argo-down removes it.
package argo

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/e2e/clients/platform"
	"github.com/slipway-build/slipway/e2e/kubectl"
)

// withArgo is given where Argo Workflows is built, which takes minutes.
var withArgo = flag.Bool("argo", false, "start Argo Workflows, which is built where the cache lacks it, and run the tests")

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

// startLimit is longer than platform.Patience: where its programs are not there yet, Argo
// Workflows takes minutes to compile.
const startLimit = 30 * time.Minute

var (
	made   *platform.Cluster
	source string // the address of the pod that has the sources
	setUp  = sync.OnceValue(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), startLimit)
		defer cancel()
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error {
			start := exec.CommandContext(ctx, "go", "run", "./testbed", "argo")
			start.Dir = "../.."
			if out, err := start.CombinedOutput(); err != nil {
				return fmt.Errorf("start Argo Workflows: %w\n%s", err, out)
			}
			return nil
		})
		group.Go(func() (err error) {
			ctx, cancel := context.WithTimeout(ctx, platform.Patience)
			defer cancel()
			made, err = platform.New(ctx, "../../..", "argo")
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
	if !*withArgo {
		t.Skip("it needs Argo Workflows: make ci-clients")
	}
	t.Parallel()
	if err := setUp(); err != nil {
		t.Fatal(err)
	}
	return cluster{made}
}

// serve serves a git repository, and the same files as an archive.
const serve = `
mkdir /source && cd /source
printf 'FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /made-for\n' > Dockerfile
printf 'FROM scratch\nCOPY nothing /\n' > bad.Dockerfile
echo amd64 > amd64; echo arm64 > arm64
git init -q -b main && git add . && git -c user.email=dev@example.com -c user.name=dev commit -q -m first
git clone -q --bare . /served/app.git && touch /served/app.git/git-daemon-export-ok
tar -C / -czf /served/source.tgz source/Dockerfile source/amd64 source/arm64
git daemon --reuseaddr --base-path=/served --detach
exec httpd -f -p 8080 -h /served
`

// prepare makes the templates, and starts the pod with the sources.
func prepare(ctx context.Context, c *platform.Cluster) error {
	var objects strings.Builder
	for _, name := range []string{"workflowtemplate.yaml", "workflowtemplate-init.yaml"} {
		text, err := c.Adapted("argo/" + name)
		if err != nil {
			return err
		}
		objects.WriteString(text + "\n---\n")
	}
	if _, err := c.Run(ctx, objects.String(), "apply", "-f", "-"); err != nil {
		return err
	}
	// Images are pulled with the service account's secret, as a cluster has it.
	if _, err := c.Run(ctx, "", "patch", "serviceaccount", "slipway-agent", "--patch", `{"imagePullSecrets": [{"name": "pull"}]}`); err != nil {
		return err
	}
	// The testbed's registry has an authority of its own.
	if _, err := c.Run(ctx, "", "create", "configmap", "authority", "--from-file=ca.crt="+c.Bed.Registry.CA); err != nil {
		return err
	}
	return startSource(ctx, c.Builders, c.Bed.Images.Agent)
}

// startSource starts the pod with the sources, outside of the namespace that is restricted.
func startSource(ctx context.Context, namespace kubectl.Namespace, image string) error {
	pod, err := json.Marshal(object{
		"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": "source"},
		"spec": object{
			"terminationGracePeriodSeconds": 0,
			"volumes":                       []object{{"name": "served", "emptyDir": object{}}},
			"containers": []object{{
				"name": "main", "image": image, "command": []string{"sh", "-ec", serve}, "volumeMounts": []object{{"name": "served", "mountPath": "/served"}},
				"readinessProbe": object{"httpGet": object{"path": "/source.tgz", "port": 8080}, "periodSeconds": 1},
			}},
		},
	})
	if err != nil {
		return err
	}
	if _, err := namespace.Run(ctx, string(pod), "create", "-f", "-"); err != nil {
		return err
	}
	if _, err := namespace.Run(ctx, "", "wait", "--for=condition=Ready", "pod/source", "--timeout="+platform.Patience.String()); err != nil {
		return err
	}
	ip, err := namespace.Run(ctx, "", "get", "pod", "source", "-o", "jsonpath={.status.podIP}")
	if strings.Contains(ip, ":") {
		ip = "[" + ip + "]"
	}
	source = ip
	return err
}

type object = map[string]any

// workflow is what is read of a Workflow.
type workflow struct {
	Metadata struct{ Name string }
	Status   struct {
		Phase, Message string
		Nodes          map[string]node
	}
}

type node struct {
	DisplayName, Phase, Message string
	Outputs                     struct {
		Parameters []struct{ Name, Value string }
	}
}

// build returns the step build.
func (w workflow) build(t *testing.T) node {
	t.Helper()
	for _, n := range w.Status.Nodes {
		if n.DisplayName == "build" {
			return n
		}
	}
	t.Fatalf("%s has no step build: %v", w.Metadata.Name, w.Status)
	return node{}
}

func (n node) output(name string) string {
	for _, p := range n.Outputs.Parameters {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// create starts a workflow and waits for its end.
func (c cluster) create(t *testing.T, manifest object) workflow {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), platform.Patience)
	defer cancel()
	text, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.Run(ctx, string(text), "create", "-o", "name", "-f", "-")
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSpace(out)
	for {
		if out, err = c.Run(ctx, "", "get", name, "-o", "json"); err != nil {
			t.Fatal(err)
		}
		var w workflow
		if err := json.Unmarshal([]byte(out), &w); err != nil {
			t.Fatal(err)
		}
		switch w.Status.Phase {
		case "Succeeded", "Failed", "Error":
			return w
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s has not ended:\n%s", name, out)
		case <-time.After(time.Second):
		}
	}
}

// log is what the container main of a workflow's pods has printed, of those for that
// template.
func (c cluster) log(t *testing.T, w workflow, template string) string {
	t.Helper()
	pods, err := c.Run(t.Context(), "", "get", "pods", "--selector", "workflows.argoproj.io/workflow="+w.Metadata.Name, "-o", "name")
	if err != nil {
		return err.Error()
	}
	var log strings.Builder
	for pod := range strings.FieldsSeq(pods) {
		if !strings.Contains(pod, "-"+template+"-") {
			continue
		}
		out, err := c.Run(t.Context(), "", "logs", pod, "--container", "main")
		if err != nil {
			out = err.Error()
		}
		log.WriteString(out)
	}
	return log.String()
}

func (c cluster) ended(t *testing.T, w workflow, want string) {
	t.Helper()
	if w.Status.Phase != want {
		t.Fatalf("%s ended as %s, want %s: %+v\n%s", w.Metadata.Name, w.Status.Phase, want, w.Status, c.log(t, w, "build"))
	}
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %q, want %q", what, got, want)
	}
}

// wantPushed compares the output parameters with the image of that tag in the registry.
func (c cluster) wantPushed(t *testing.T, build node, tag string) {
	t.Helper()
	digest, err := c.Registry.Digest(t.Context(), c.AppPath()+":"+tag)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "digest", build.output("digest"), digest)
	want(t, "image", build.output("image"), c.App()+"@"+digest)
}

// TestWorkflow runs the workflow: the output parameters of its first step are those of the
// registry, and the second one gets them.
func TestWorkflow(t *testing.T) {
	c := newCluster(t)
	text, err := c.Adapted("argo/workflow.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const repository = "https://git.example/team/app.git#main"
	if !strings.Contains(text, repository) {
		t.Fatalf("the workflow does not build %s", repository)
	}
	var manifest struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   object
		Spec       object
	}
	if err := yaml.Unmarshal([]byte(strings.Replace(text, repository, "git://"+source+"/app.git#main", 1)), &manifest); err != nil {
		t.Fatal(err)
	}
	manifest.Spec["nodeSelector"] = amd64
	// For the second step, which reads from the registry by itself.
	manifest.Spec["podSpecPatch"] = `{"containers": [{"name": "main", "env": [{"name": "SSL_CERT_FILE", "value": "/authority/ca.crt"}],
	  "volumeMounts": [{"name": "authority", "mountPath": "/authority"}]}], "volumes": [{"name": "authority", "configMap": {"name": "authority"}}]}`
	w := c.create(t, object{"apiVersion": manifest.APIVersion, "kind": manifest.Kind, "metadata": manifest.Metadata, "spec": manifest.Spec})
	c.ended(t, w, "Succeeded")
	c.wantPushed(t, w.build(t), w.Metadata.Name)
	index, err := c.Registry.Index(t.Context(), c.AppPath()+":"+w.Metadata.Name)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	log := c.log(t, w, "deploy")
	for _, m := range parsed.Manifests {
		if !strings.Contains(log, m.Digest.String()) {
			t.Errorf("the log of the step deploy has no %s:\n%s", m.Digest, log)
		}
	}
}

// amd64 is where the testbed's pods run that are not for a builder.
var amd64 = object{"kubernetes.io/arch": "amd64"}

// build is a workflow with one step of a template.
func build(template string, parameters map[string]string, artifacts ...object) object {
	list := []object{}
	for name, value := range parameters {
		list = append(list, object{"name": name, "value": value})
	}
	arguments := object{"parameters": list}
	if len(artifacts) > 0 {
		arguments["artifacts"] = artifacts
	}
	return object{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": object{"generateName": "build-"},
		"spec": object{
			"entrypoint": "main", "serviceAccountName": "slipway-agent", "nodeSelector": amd64,
			"templates": []object{{"name": "main", "steps": [][]object{{{
				"name": "build", "templateRef": object{"name": template, "template": "build"}, "arguments": arguments,
			}}}}},
		},
	}
}

// archive is the artifact source.
func archive() object {
	return object{"name": "source", "http": object{"url": "http://" + source + ":8080/source.tgz"}}
}

// TestArtifact builds the files of an artifact, with tags by rules alone.
func TestArtifact(t *testing.T) {
	c := newCluster(t)
	w := c.create(t, build("slipway", map[string]string{
		"image": "", "platforms": "linux/amd64", "tags-from": "ci", "images": c.App(),
		"tag-rules": "type=ref,event=tag\ntype=match,pattern=v(\\d.*),group=1", "tag-context": "ref=refs/tags/v7.8.9\nsha=0123abc",
	}, archive()))
	c.ended(t, w, "Succeeded")
	c.wantPushed(t, w.build(t), "v7.8.9")
	c.wantPushed(t, w.build(t), "7.8.9")
}

// TestInit builds in an image without the program.
func TestInit(t *testing.T) {
	c := newCluster(t)
	w := c.create(t, build("slipway-init", map[string]string{"image": c.App() + ":init"}, archive()))
	c.ended(t, w, "Succeeded")
	if _, err := c.Registry.Index(t.Context(), c.AppPath()+":init"); err != nil {
		t.Errorf("%v\n%s", err, c.log(t, w, "build"))
	}
}

// TestFailedBuild ends the workflow with the reason in the message of its step.
func TestFailedBuild(t *testing.T) {
	c := newCluster(t)
	w := c.create(t, build("slipway", map[string]string{
		"image": c.App() + ":failed", "context": "git://" + source + "/app.git#main", "dockerfile": "bad.Dockerfile", "platforms": "linux/amd64",
	}))
	c.ended(t, w, "Failed")
	step := w.build(t)
	want(t, "the step's phase", step.Phase, "Failed")
	for _, text := range []string{"exit code 1", `"/nothing": not found`} {
		if !strings.Contains(step.Message, text) {
			t.Errorf("the message of the step has no %s:\n%s", text, step.Message)
		}
	}
	want(t, "digest", step.output("digest"), "")
	if log := c.log(t, w, "build"); !strings.Contains(log, `"/nothing": not found`) {
		t.Errorf("the log lacks the reason:\n%s", log)
	}
}
