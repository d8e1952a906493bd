// Package steps runs the containers of pipelines/argo and pipelines/woodpecker as pods
// on the testbed's cluster, with what these systems put into a pod. The systems
// themselves are not run here: package argo runs Argo Workflows on demand.
package steps

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/slipway-build/slipway/e2e/clients/platform"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
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

var (
	made  *platform.Cluster
	setUp = sync.OnceValue(func() (err error) {
		ctx, cancel := context.WithTimeout(context.Background(), platform.Patience)
		defer cancel()
		made, err = platform.New(ctx, "../../..", "argo")
		return err
	})
)

type cluster struct{ *platform.Cluster }

func newCluster(t *testing.T) cluster {
	t.Helper()
	if err := setUp(); err != nil {
		t.Fatal(err)
	}
	return cluster{made}
}

type object = map[string]any

// get returns what is at a path of names and indexes.
func get[T any](t *testing.T, from any, path ...any) T {
	t.Helper()
	at := from
	for _, step := range path {
		switch step := step.(type) {
		case string:
			fields, ok := at.(object)
			if !ok {
				t.Fatalf("%v: there is no object at %q", path, step)
			}
			at = fields[step]
		case int:
			list, ok := at.([]any)
			if !ok || step >= len(list) {
				t.Fatalf("%v: there is no element %d", path, step)
			}
			at = list[step]
		}
	}
	value, ok := at.(T)
	if !ok {
		t.Fatalf("%v: it is a %T", path, at)
	}
	return value
}

// read reads a file below pipelines, with values in the place of some words.
func (c cluster) read(t *testing.T, name string, values map[string]string) object {
	t.Helper()
	text, err := c.Adapted(name)
	if err != nil {
		t.Fatal(err)
	}
	for word, value := range values {
		text = strings.ReplaceAll(text, word, value)
	}
	var parsed object
	if err := yaml.Unmarshal([]byte(text), &parsed); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return parsed
}

// restricted is the security context that the systems give to their own containers.
var restricted = object{"allowPrivilegeEscalation": false, "capabilities": object{"drop": []string{"ALL"}}}

// runs creates a pod and waits until its container main has succeeded.
func (c cluster) runs(t *testing.T, name string, spec object) {
	t.Helper()
	maps.Copy(spec, object{
		"restartPolicy": "Never", "serviceAccountName": "slipway-agent", "terminationGracePeriodSeconds": 0,
		"imagePullSecrets": []object{{"name": "pull"}}, "nodeSelector": object{"kubernetes.io/arch": "amd64"},
	})
	pod, err := json.Marshal(object{"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": name}, "spec": spec})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), platform.Patience)
	defer cancel()
	if _, err := c.Run(ctx, string(pod), "create", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	for {
		out, err := c.Run(ctx, "", "get", "pod", name, "-o", `jsonpath={.status.containerStatuses[?(@.name=="main")].state.terminated.exitCode}`)
		if err == nil && out == "0" {
			return
		}
		if err == nil && out == "" && ctx.Err() == nil {
			time.Sleep(500 * time.Millisecond)
			continue
		}
		log, _ := c.Run(t.Context(), "", "logs", name, "--container", "main")
		status, _ := c.Run(t.Context(), "", "get", "pod", name, "-o", "jsonpath={.status}")
		t.Fatalf("it ended with %q, %v:\n%s\n%s", out, err, log, status)
	}
}

// TestArgo runs the container of the template: the files of its output parameters have
// the image that is in the registry.
func TestArgo(t *testing.T) {
	c := newCluster(t)
	template := get[object](t, c.read(t, "argo/workflowtemplate.yaml", map[string]string{
		"{{inputs.parameters.image}}": c.App() + ":argo", "{{inputs.parameters.context}}": ".", "{{inputs.parameters.dockerfile}}": "",
		"{{inputs.parameters.platforms}}": "linux/amd64,linux/arm64", "{{inputs.parameters.target}}": "",
		"{{inputs.parameters.tags-from}}": "ci", "{{inputs.parameters.images}}": c.App(), "{{inputs.parameters.tag-rules}}": "type=ref,event=tag",
		"{{inputs.parameters.tag-context}}": "ref=refs/tags/v7.8.9",
	}), "spec", "templates", 0)
	main := get[object](t, template, "container")
	main["name"] = "main"
	main["env"] = append(get[[]any](t, main, "env"), object{"name": "ARGO_NODE_ID", "value": "image-1"})
	mount := object{"name": "src", "mountPath": "/src"}
	main["volumeMounts"] = append(get[[]any](t, main, "volumeMounts"), mount)
	results := object{"name": "results", "mountPath": "/results"}
	busybox := func(name, script string, mounts ...object) object {
		return object{"name": name, "image": c.Bed.Images.Busybox, "command": []string{"sh", "-c", script}, "securityContext": restricted, "volumeMounts": mounts}
	}
	c.runs(t, "argo", object{
		"securityContext": template["securityContext"],
		"volumes":         append(get[[]any](t, template, "volumes"), object{"name": "src", "emptyDir": object{}}),
		"initContainers":  []object{busybox("init", `printf 'FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /\n' > /src/Dockerfile; touch /src/amd64 /src/arm64`, mount)},
		"containers":      []object{main, busybox("wait", "sleep infinity", results)},
	})
	digest, err := c.Registry.Digest(t.Context(), c.AppPath()+":argo")
	if err != nil {
		t.Fatal(err)
	}
	for _, parameter := range get[[]any](t, template, "outputs", "parameters") {
		name := get[string](t, parameter, "name")
		path := get[string](t, parameter, "valueFrom", "path")
		got, err := c.Run(t.Context(), "", "exec", "argo", "-c", "wait", "--", "cat", path)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]string{"digest": digest, "image": c.App() + "@" + digest}[name]; got != want {
			t.Errorf("the output parameter %s is %q, want %q", name, got, want)
		}
	}
	if tagged, err := c.Registry.Digest(t.Context(), c.AppPath()+":v7.8.9"); err != nil || tagged != digest {
		t.Errorf("the tag of tags-from is %s, %v; want %s", tagged, err, digest)
	}
	deploy := get[object](t, c.read(t, "argo/workflow.yaml", map[string]string{"{{inputs.parameters.image}}": c.App() + "@" + digest}), "spec", "templates", 1)
	main = get[object](t, deploy, "container")
	main["name"] = "main"
	// The testbed's registry has an authority of its own.
	if _, err := c.Run(t.Context(), "", "create", "configmap", "authority", "--from-file=ca.crt="+c.Bed.Registry.CA); err != nil {
		t.Fatal(err)
	}
	main["env"] = []object{{"name": "SSL_CERT_FILE", "value": "/authority/ca.crt"}}
	mounts, _ := main["volumeMounts"].([]any)
	main["volumeMounts"] = append(mounts, object{"name": "authority", "mountPath": "/authority"})
	volumes, _ := deploy["volumes"].([]any)
	c.runs(t, "argo-deploy", object{
		"securityContext": deploy["securityContext"], "containers": []object{main},
		"volumes": append(volumes, object{"name": "authority", "configMap": object{"name": "authority"}}),
	})
}

// TestWoodpecker runs the commands of the step as Woodpecker's backend does: a shell in
// the step's image gets them by a variable.
func TestWoodpecker(t *testing.T) {
	c := newCluster(t)
	dir := t.TempDir()
	dockerfile, err := c.Adapted("woodpecker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"Dockerfile": dockerfile, "kube.json": c.Definition} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	image := c.Bed.Registry.Address + "/" + c.Name + "/step:1"
	if err := c.Build(t.Context(), "-t", image, dir); err != nil {
		t.Fatal(err)
	}
	step := get[object](t, c.read(t, "woodpecker/woodpecker.yaml", map[string]string{"registry.example/ci/slipway:1": image}), "steps", 0)
	var script strings.Builder
	for _, command := range get[[]any](t, step, "commands") {
		script.WriteString(get[string](t, command) + "\n")
	}
	env := []object{
		{"name": "CI", "value": "woodpecker"}, {"name": "CI_COMMIT_SHA", "value": "0123abc"},
		{"name": "CI_SCRIPT", "value": base64.StdEncoding.EncodeToString([]byte(script.String()))},
	}
	secrets := map[string]string{"registry_username": c.Bed.Registry.Username, "registry_password": c.Bed.Registry.Password}
	for name, value := range get[object](t, step, "environment") {
		env = append(env, object{"name": name, "value": secrets[get[string](t, value, "from_secret")]})
	}
	options := get[object](t, step, "backend_options", "kubernetes")
	if got := options["serviceAccountName"]; got != "slipway-agent" {
		t.Errorf("the step's service account is %v", got)
	}
	pod := get[object](t, options, "securityContext")
	pod["seccompProfile"] = object{"type": "RuntimeDefault"} // WOODPECKER_BACKEND_K8S_PSS_PROFILE
	mounts := []object{{"name": "workspace", "mountPath": "/woodpecker"}}
	c.runs(t, "woodpecker", object{
		"securityContext": pod,
		"volumes":         []object{{"name": "workspace", "emptyDir": object{}}},
		"initContainers": []object{{
			"name": "clone", "image": c.Bed.Images.Busybox, "securityContext": restricted, "volumeMounts": mounts,
			"command": []string{"sh", "-c", `printf 'FROM scratch\nCOPY Dockerfile /\n' > /woodpecker/Dockerfile`},
		}},
		"containers": []object{{
			"name": "main", "image": step["image"], "workingDir": "/woodpecker", "env": env, "resources": options["resources"],
			"securityContext": restricted, "volumeMounts": mounts,
			"command": []string{"/bin/sh", "-c", "echo $CI_SCRIPT | base64 -d | /bin/sh -e"},
		}},
	})
	if _, err := c.Registry.Index(t.Context(), c.AppPath()+":0123abc"); err != nil {
		t.Error(err)
	}
}
