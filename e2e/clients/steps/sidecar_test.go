package steps

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// jobOfSidecar is what a job does in a pod with the sidecar. It fails where it finds a
// token or a credential.
const jobOfSidecar = `for path in /var/run/secrets/kubernetes.io /credentials /etc/slipway; do
  test ! -e $path || { echo "the job has $path"; exit 1; }
done
mkdir -p /tmp/app && cd /tmp/app && printf 'FROM scratch\nCOPY Dockerfile /\n' > Dockerfile
export HOME=/tmp
slipway ls
slipway build --platform linux/amd64,linux/arm64 --output type=local,dest=out .
cmp Dockerfile out/linux_arm64/Dockerfile
slipway build --platform linux/amd64 --tag "$APP" --push .
`

// TestSidecarPods runs a job in the pods of Jenkins, GitLab and GitHub with the sidecar, in
// a namespace that enforces the Pod Security Standard restricted.
func TestSidecarPods(t *testing.T) {
	c := newCluster(t)
	registry := c.Bed.Registry.Address
	for name, spec := range map[string]func(t *testing.T, text string) object{
		"jenkins/agent-sidecar.yaml":        jenkinsPod,
		"gitlab/runner/values-sidecar.yaml": gitlabPod,
		"github/arc/values-sidecar.yaml":    githubPod,
	} {
		t.Run(name, func(t *testing.T) {
			text, err := c.Adapted(name)
			if err != nil {
				t.Fatal(err)
			}
			text = strings.NewReplacer("registry.example/team/**", registry+"/"+c.Name+"/**", "registry.example", registry,
				"ghcr.io/actions/actions-runner:latest", c.Bed.Images.Busybox, "/home/runner/run.sh", `sh -ec "$JOB"`).Replace(text)
			pod := spec(t, text)
			system, _, _ := strings.Cut(name, "/")
			main := get[object](t, get[[]any](t, pod, "containers")[0])
			main["name"] = "main"
			main["env"] = []object{
				{"name": "JOB", "value": jobOfSidecar}, {"name": "APP", "value": c.App() + ":sidecar-" + system},
			}
			if pod["automountServiceAccountToken"] != false {
				t.Errorf("automountServiceAccountToken is %v", pod["automountServiceAccountToken"])
			}
			c.runs(t, "sidecar-"+system, pod)
			if _, err := c.Registry.Digest(t.Context(), c.AppPath()+":sidecar-"+system); err != nil {
				t.Error(err)
			}
		})
	}
}

func parse(t *testing.T, text string) object {
	t.Helper()
	var parsed object
	if err := yaml.Unmarshal([]byte(text), &parsed); err != nil {
		t.Fatal(err)
	}
	return parsed
}

func jenkinsPod(t *testing.T, text string) object {
	t.Helper()
	pod := get[object](t, parse(t, text), "spec")
	get[object](t, pod, "containers", 0)["command"] = []string{"sh", "-ec", `eval "$JOB"`}
	return pod
}

func githubPod(t *testing.T, text string) object {
	t.Helper()
	return get[object](t, parse(t, text), "template", "spec")
}

// gitlabPod is what GitLab's runner makes of its configuration, as far as the test needs
// it.
func gitlabPod(t *testing.T, text string) object {
	t.Helper()
	config := get[string](t, parse(t, text), "runners", "config")
	between := func(from, before, after string) (value, rest string) {
		_, rest, ok := strings.Cut(from, before)
		value, rest, closed := strings.Cut(rest, after)
		if !ok || !closed {
			t.Fatalf("there is no %s…%s in:\n%s", before, after, from)
		}
		return value, rest
	}
	patch, _ := between(config, "patch = '''\n", "'''")
	pod := parse(t, patch)
	script, _ := between(config, "pre_build_script = '", "'\n")
	main := object{
		"image": get[string](t, pod, "initContainers", 0, "image"), "securityContext": restricted,
		"command": []string{"sh", "-ec", script + "\n" + `eval "$JOB"`},
	}
	image, _ := between(config, `image = "`, `"`)
	main["image"] = image
	var mounts []object
	volumes := get[[]any](t, pod, "volumes")
	for rest := config; strings.Contains(rest, "[[runners.kubernetes.volumes.empty_dir]]"); {
		var name, path string
		_, rest, _ = strings.Cut(rest, "[[runners.kubernetes.volumes.empty_dir]]")
		name, rest = between(rest, `name = "`, `"`)
		path, rest = between(rest, `mount_path = "`, `"`)
		volumes = append(volumes, object{"name": name, "emptyDir": object{}})
		mounts = append(mounts, object{"name": name, "mountPath": path})
	}
	main["volumeMounts"] = mounts
	pod["volumes"], pod["containers"] = volumes, []any{main}
	pod["automountServiceAccountToken"] = !strings.Contains(config, "automount_service_account_token = false")
	return pod
}

// TestSidecarNetworkPolicy tests that the API server takes the policies. The testbed
// enforces none.
func TestSidecarNetworkPolicy(t *testing.T) {
	c := newCluster(t)
	text, err := c.Adapted("sidecar/networkpolicy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Run(t.Context(), text, "create", "--dry-run=server", "-f", "-"); err != nil {
		t.Error(err)
	}
}
