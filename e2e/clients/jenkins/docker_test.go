package jenkins

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDockerBuildx runs a pipeline that knows nothing of Slipway: docker buildx install and
// use, docker login with the password on the command line, and make with docker buildx
// build. The agent's image has Slipway under the name of docker in the place of docker and
// buildx, and the definition is a single file of a ConfigMap, where buildx keeps its own.
func TestDockerBuildx(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	// Agents of such a pipeline are root, which the agents' own namespace does not admit.
	namespace := c.Builders.Name
	image := c.Bed.Registry.Address + "/" + c.Name + "/docker-agent:1"
	if err := c.Build(t.Context(), "-t", image, c.agentWithMake(t)); err != nil {
		t.Fatal(err)
	}
	pull, err := c.Run(t.Context(), "", "get", "secret", "pull", "-o", "jsonpath={.data}")
	if err != nil {
		t.Fatal(err)
	}
	objects := []map[string]any{
		{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]string{"name": "buildx.config"}, "data": map[string]string{"data": c.Definition}},
		{"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson", "metadata": map[string]string{"name": "pull"}, "data": json.RawMessage(pull)},
		{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": map[string]string{"name": "docker-agents"},
			"roleRef":  map[string]string{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "slipway-build"},
			"subjects": []map[string]string{{"kind": "ServiceAccount", "name": "default"}}},
	}
	for _, object := range objects {
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Builders.Run(t.Context(), string(text), "create", "-f", "-"); err != nil {
			t.Fatal(err)
		}
	}
	e := c.run(t, job{
		files: map[string]string{
			"Jenkinsfile": read(t, "testdata/docker/Jenkinsfile"),
			"Makefile":    strings.ReplaceAll(read(t, "testdata/docker/Makefile"), "ghcr.io/acme/jenkins-agent", c.App()),
		},
		params:    map[string]any{"pod_image": image, "pod_namespace": namespace, "registry": c.Bed.Registry.Address, "registry_credentials_id": "registry"},
		env:       map[string]string{"JOB_BASE_NAME": "image"},
		namespace: namespace,
	}).succeeded(t)
	tag := fmt.Sprintf("%x", sha256.Sum256([]byte(machineDockerfile)))[:12]
	for _, arch := range []string{"amd64", "arm64"} {
		if _, err := c.Registry.Config(t.Context(), c.AppPath()+":"+tag, "linux/"+arch); err != nil {
			t.Errorf("the image of %s: %v", arch, err)
		}
	}
	for _, line := range []string{"INFO: nothing to install: docker build uses this program as it is", "Login Succeeded", "WARNING: everybody on the machine can read the arguments"} {
		if !strings.Contains(e.log, line) {
			t.Errorf("the log lacks %q", line)
		}
	}
}

// agentWithMake makes the context of an image with make and bash, from this machine, and
// with docker as Slipway is installed.
func (c cluster) agentWithMake(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var files []string
	for _, program := range []string{"/usr/bin/make", "/bin/bash"} {
		out, err := exec.CommandContext(t.Context(), "ldd", program).Output()
		if err != nil {
			t.Fatalf("ldd %s: %v", program, err)
		}
		files = append(append(files, program), regexp.MustCompile(`/\S+`).FindAllString(string(out), -1)...)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(name, "/usr/") { // the others are links in the image
			name = "/usr" + name
		}
		path := filepath.Join(dir, "root", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "root/usr/local/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("slipway", filepath.Join(dir, "root/usr/local/bin/docker")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "Dockerfile"), "FROM "+c.Debug+"\nUSER 0\nENV HOME=/root\nCOPY root /\nCMD [\"sleep\", \"infinity\"]\nENTRYPOINT []\n")
	return dir
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
