// Package platform does what a platform team does before the first pipeline runs:
// rights of agents, definitions, builders that run, and Slipway's own images in a
// registry. It is for the tests of pipelines that run in pods.
package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/slipway-build/slipway/e2e/kubectl"
	"github.com/slipway-build/slipway/e2e/registrytest"
	"github.com/slipway-build/slipway/e2e/testbed/state"
	"github.com/slipway-build/slipway/e2e/yardstick"
)

// Patience bounds what is waited for, on this machine as it is.
var Patience = yardstick.Scale(3 * time.Minute)

// otherBinary names a slipway that takes the place of the checkout's: a test is seen
// to fail with a binary that lacks what it tests.
const otherBinary = "SLIPWAY_UNDER_TEST"

// Cluster is what there is for pipelines of one CI system.
type Cluster struct {
	// Namespace is that of agents, which passes the Pod Security Standard restricted,
	// with the ConfigMap slipway-builders, and the Secrets pull and registry
	// with the credential of the registry.
	kubectl.Namespace
	// Builders is the namespace of the builders.
	Builders kubectl.Namespace
	// Definition is the builders' definition, as JSON.
	Definition string
	// Image is Slipway's own image in the registry, and Debug the one with a shell.
	Image, Debug string
	// Registry reads what pipelines push.
	Registry *registrytest.Client

	root   string // of the repository
	system string // the directory below pipelines
	dir    string // holds the program and the files with which the images are made
}

// New sets up a cluster for the pipelines of a CI system: system/rbac.yaml below
// pipelines has the agents' rights. root is the directory of the repository. The
// cluster that comes with an error is to be removed, too.
func New(ctx context.Context, root, system string) (*Cluster, error) {
	bed, err := state.Load()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "slipway-clients-")
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%s-%d", system, time.Now().UnixNano()%1e6)
	c := &Cluster{
		Namespace: kubectl.Namespace{Bed: bed, Name: name}, Builders: kubectl.Namespace{Bed: bed, Name: name + "-builders"},
		root: root, system: system, dir: dir,
	}
	if c.Registry, err = registrytest.New(bed.Registry); err != nil {
		return c, err
	}
	for _, step := range []func(context.Context) error{c.program, c.objects, c.builders, c.ownImages} {
		if err := step(ctx); err != nil {
			return c, err
		}
	}
	return c, nil
}

// Remove removes everything but the images in the registry.
func (c *Cluster) Remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return errors.Join(c.Stop(ctx), c.Builders.Stop(ctx), c.Delete(ctx), c.Builders.Delete(ctx), os.RemoveAll(c.dir))
}

// App is the repository of what pipelines push.
func (c *Cluster) App() string { return c.Bed.Registry.Address + "/" + c.AppPath() }

// AppPath is the path of App in the registry.
func (c *Cluster) AppPath() string { return c.Name + "/app" }

// Adapted is a file below pipelines, with the namespaces, the images and the registry
// of the testbed.
func (c *Cluster) Adapted(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(c.root, "pipelines", name))
	if err != nil {
		return "", err
	}
	return strings.NewReplacer(
		"ghcr.io/slipway-build/slipway:0.2.0-debug", c.Debug,
		"ghcr.io/slipway-build/slipway:0.2.0", c.Image,
		"registry.example/ci/agent:1", c.Bed.Images.Busybox,
		"registry.example/team/app", c.App(),
		"namespace: buildkit\n", "namespace: "+c.Builders.Name+"\n",
		"namespace: jenkins", "namespace: "+c.Name,
		"namespace: ci", "namespace: "+c.Name,
		"namespace: woodpecker", "namespace: "+c.Name,
	).Replace(string(text)), nil
}

// program builds the product, as what its image's stage build has.
func (c *Cluster) program(ctx context.Context) error {
	file := c.slipwayPath()
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
	build.Dir = c.root
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build slipway: %w\n%s", err, out)
	}
	return nil
}

// objects makes the namespaces, the agents' rights, the definition and a pull secret.
func (c *Cluster) objects(ctx context.Context) error {
	rights, err := c.Adapted(c.system + "/rbac.yaml")
	if err != nil {
		return err
	}
	files, err := registrytest.BuilderFiles(c.Bed.Registry)
	if err != nil {
		return err
	}
	var nodes []map[string]any
	for _, arch := range []string{"amd64", "arm64"} {
		nodes = append(nodes, map[string]any{
			"Name": "builder-" + arch, "Platforms": []map[string]string{{"os": "linux", "architecture": arch}}, "Files": files,
			"DriverOpts": map[string]string{"image": c.Bed.Images.BuildKit, "namespace": c.Builders.Name, "nodeselector": "kubernetes.io/arch=" + arch, "timeout": Patience.String()},
		})
	}
	definition, err := json.Marshal(map[string]any{"Name": "kube", "Driver": "kubernetes", "Nodes": nodes})
	if err != nil {
		return err
	}
	c.Definition = string(definition)
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
		pullSecret("pull", credentials),     // for kubelets
		pullSecret("registry", credentials), // for pipelines
	}
	manifest := fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: %s, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: Namespace
metadata: {name: %s}
---
%s`, c.Name, c.Builders.Name, rights)
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

func pullSecret(name, config string) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
		"metadata": map[string]string{"name": name}, "stringData": map[string]string{".dockerconfigjson": config},
	}
}

// builders starts the builders, for which agents have no right.
func (c *Cluster) builders(ctx context.Context) error { return c.slipway(ctx, "up", "kube") }

// ownImages makes Slipway's images, with the program that there is in the place of
// the compiler's stage.
func (c *Cluster) ownImages(ctx context.Context) error {
	repository := c.Bed.Registry.Address + "/" + c.Name + "/slipway"
	c.Image, c.Debug = repository+":test", repository+":test-debug"
	for _, args := range [][]string{{"-t", c.Debug, "--target", "debug"}, {"-t", c.Image}} {
		args = append(args, "--build-context", "build="+filepath.Join(c.dir, "stage"),
			"--build-context", "busybox:1.37.0-musl=oci-layout://"+c.Bed.Base.Layout+":"+c.Bed.Base.Tag, c.root)
		if err := c.Build(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// Build pushes an image of linux/amd64.
func (c *Cluster) Build(ctx context.Context, args ...string) error {
	return c.slipway(ctx, append([]string{"build", "--platform", "linux/amd64", "--push", "--provenance", "false"}, args...)...)
}

func (c *Cluster) slipwayPath() string { return filepath.Join(c.dir, "stage", "out", "slipway") }

// slipway runs the program as who administers the cluster.
func (c *Cluster) slipway(ctx context.Context, args ...string) error {
	command := exec.CommandContext(ctx, c.slipwayPath(), args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+c.Bed.Kubeconfig, "SLIPWAY_DEFINITIONS="+filepath.Join(c.dir, "kube"), "DOCKER_CONFIG="+filepath.Join(c.dir, "docker"))
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("slipway %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
