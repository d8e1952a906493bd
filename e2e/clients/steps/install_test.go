package steps

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// source makes a repository with a Dockerfile and the definition of the builders.
func (c cluster) source(dir string, mounts ...object) object {
	return object{
		"name": "clone", "image": c.Bed.Images.Busybox, "securityContext": restricted, "volumeMounts": mounts,
		"env":     []object{{"name": "DEFINITION", "value": c.Definition}},
		"command": []string{"sh", "-ec", `mkdir -p "$0/builders" && cd "$0" && printf 'FROM scratch\nCOPY Dockerfile /\n' > Dockerfile && printf %s "$DEFINITION" > builders/kube.json`, dir},
	}
}

// pushed fails the test where a pod has not pushed an image of two architectures.
func (c cluster) pushed(t *testing.T, tag string) {
	t.Helper()
	if _, err := c.Registry.Index(t.Context(), c.AppPath()+":"+tag); err != nil {
		t.Error(err)
	}
}

// TestArgoInit runs the container of the template with an init container, in an image
// without Slipway.
func TestArgoInit(t *testing.T) {
	c := newCluster(t)
	template := get[object](t, c.read(t, "argo/workflowtemplate-init.yaml", map[string]string{"{{inputs.parameters.image}}": c.App() + ":argo-init"}), "spec", "templates", 0)
	main := get[object](t, template, "container")
	main["name"] = "main"
	mount := object{"name": "src", "mountPath": "/src"}
	main["volumeMounts"] = append(get[[]any](t, main, "volumeMounts"), mount)
	c.runs(t, "argo-init", object{
		"securityContext": template["securityContext"],
		"volumes":         append(get[[]any](t, template, "volumes"), object{"name": "src", "emptyDir": object{}}),
		"initContainers":  append([]any{c.source("/src", mount)}, get[[]any](t, template, "initContainers")...),
		"containers":      []object{main},
	})
	c.pushed(t, "argo-init")
}

// TestTektonInstall runs the steps of the task one after the other, as Tekton does.
func TestTektonInstall(t *testing.T) {
	c := newCluster(t)
	task := get[object](t, c.read(t, "tekton/task-install.yaml", map[string]string{"$(params.IMAGE)": c.App() + ":tekton", "$(workspaces.source.path)": "/src"}), "spec")
	all := get[object](t, task, "stepTemplate")
	containers := []object{c.source("/src", object{"name": "src", "mountPath": "/src"})}
	for _, step := range get[[]any](t, task, "steps") {
		container := get[object](t, step)
		container["securityContext"] = all["securityContext"]
		container["volumeMounts"] = append(append([]any{}, get[[]any](t, all, "volumeMounts")...),
			object{"name": "src", "mountPath": "/src"}, object{"name": "home", "mountPath": "/tekton/home"},
			object{"name": "definitions", "mountPath": get[string](t, task, "workspaces", 1, "mountPath")},
			object{"name": "dockerconfig", "mountPath": get[string](t, task, "workspaces", 2, "mountPath")})
		env, _ := container["env"].([]any)
		container["env"] = append(env, object{"name": "HOME", "value": "/tekton/home"})
		containers = append(containers, container)
	}
	last := len(containers) - 1
	containers[last]["name"] = "main"
	c.runs(t, "tekton-install", object{
		"securityContext": object{"runAsNonRoot": true, "runAsUser": 65532, "fsGroup": 65532, "seccompProfile": object{"type": "RuntimeDefault"}},
		"volumes": append(get[[]any](t, task, "volumes"), object{"name": "src", "emptyDir": object{}}, object{"name": "home", "emptyDir": object{}},
			object{"name": "definitions", "configMap": object{"name": "slipway-builders"}}, object{"name": "dockerconfig", "secret": object{"secretName": "registry"}}),
		"initContainers": containers[:last], "containers": containers[last:],
	})
	c.pushed(t, "tekton")
}

// TestWoodpeckerInstall runs both steps, which share the workspace.
func TestWoodpeckerInstall(t *testing.T) {
	c := newCluster(t)
	steps := get[[]any](t, c.read(t, "woodpecker/install.yaml", nil), "steps")
	mount := object{"name": "workspace", "mountPath": "/woodpecker"}
	secrets := map[string]string{"registry_username": c.Bed.Registry.Username, "registry_password": c.Bed.Registry.Password}
	containers := []object{c.source("/woodpecker/src", mount)}
	for _, step := range steps {
		var script strings.Builder
		for _, command := range get[[]any](t, step, "commands") {
			script.WriteString(get[string](t, command) + "\n")
		}
		env := []object{{"name": "CI", "value": "woodpecker"}, {"name": "CI_COMMIT_SHA", "value": "4567abc"}, {"name": "HOME", "value": "/woodpecker"}}
		variables, _ := get[object](t, step)["environment"].(object)
		for name, value := range variables {
			if secret, ok := value.(object); ok {
				value = secrets[get[string](t, secret, "from_secret")]
			}
			env = append(env, object{"name": name, "value": value})
		}
		containers = append(containers, object{
			"name": get[string](t, step, "name"), "image": get[string](t, step, "image"), "workingDir": "/woodpecker/src", "env": env,
			"securityContext": restricted, "volumeMounts": []object{mount}, "command": []string{"/bin/sh", "-ec", script.String()},
		})
	}
	last := len(containers) - 1
	containers[last]["name"] = "main"
	pod := get[object](t, steps[1], "backend_options", "kubernetes", "securityContext")
	pod["seccompProfile"] = object{"type": "RuntimeDefault"} // WOODPECKER_BACKEND_K8S_PSS_PROFILE
	c.runs(t, "woodpecker-install", object{
		"securityContext": pod, "volumes": []object{{"name": "workspace", "emptyDir": object{}}},
		"initContainers": containers[:last], "containers": containers[last:],
	})
	c.pushed(t, "4567abc")
}

// TestGitLabInit runs a job's shell in a pod with what the runner's configuration adds to
// it. GitLab's runner itself is not run.
func TestGitLabInit(t *testing.T) {
	c := newCluster(t)
	var runners struct{ Config string }
	text, err := yaml.Marshal(get[object](t, c.read(t, "gitlab/runner/values-init.yaml", nil), "runners"))
	if err == nil {
		err = yaml.Unmarshal(text, &runners)
	}
	if err != nil {
		t.Fatal(err)
	}
	between := func(before, after string) string {
		_, rest, ok := strings.Cut(runners.Config, before)
		value, _, closed := strings.Cut(rest, after)
		if !ok || !closed {
			t.Fatalf("there is no %s…%s in:\n%s", before, after, runners.Config)
		}
		return value
	}
	var patch object
	if err := yaml.Unmarshal([]byte(between("patch = '''\n", "'''")), &patch); err != nil {
		t.Fatal(err)
	}
	volume := object{"name": between("[[runners.kubernetes.volumes.empty_dir]]\n      name = \"", "\""), "emptyDir": object{}}
	patch["securityContext"] = object{"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": object{"type": "RuntimeDefault"}}
	patch["volumes"] = []object{volume}
	patch["containers"] = []object{{
		"name": "main", "image": c.Bed.Images.Busybox, "securityContext": restricted,
		"command":      []string{"sh", "-ec", between("pre_build_script = '", "'\n") + "\nslipway version"},
		"volumeMounts": []object{{"name": volume["name"], "mountPath": "/opt/slipway"}},
	}}
	c.runs(t, "gitlab-init", patch)
}

// TestAgentImage builds the image of an agent, and builds in it.
func TestAgentImage(t *testing.T) {
	c := newCluster(t)
	dockerfile, err := c.Adapted("agent-image/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		t.Fatal(err)
	}
	image := c.Bed.Registry.Address + "/" + c.Name + "/agent:1"
	if err := c.Build(t.Context(), "-t", image, "--build-arg", "BASE="+c.Bed.Registry.Base, dir); err != nil {
		t.Fatal(err)
	}
	c.runs(t, "agent-image", object{
		"securityContext": object{"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": object{"type": "RuntimeDefault"}},
		"containers":      []object{{"name": "main", "image": image, "command": []string{"slipway", "version"}, "securityContext": restricted}},
	})
}
