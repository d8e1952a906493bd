package clients

import (
	"bytes"
	"context"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/e2e/kubectl"
	"github.com/slipway-build/slipway/e2e/testbed/pki"
)

// dockerJob is a job of a runner on which docker is Slipway.
type dockerJob struct {
	dir, temp string
	env       map[string]string
	calls     []dockerCall
}

// dockerCall is a recorded command line and its answer.
type dockerCall struct {
	Command string `json:"command"`
	Stdout  string `json:"stdout"`
	Code    int    `json:"code"`
	stderr  string
}

// newDockerJob makes a job with a home of its own, in whose directory of buildx the
// definitions are.
func (s *stand) newDockerJob(t *testing.T, definitions map[string]string) *dockerJob {
	t.Helper()
	dir := t.TempDir()
	j := &dockerJob{dir: filepath.Join(dir, "work"), temp: filepath.Join(dir, "temp")}
	for _, name := range []string{"bin", "work", "temp", "docker/buildx/certs"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(s.slipway, filepath.Join(dir, "bin", "docker")); err != nil {
		t.Fatal(err)
	}
	for name, content := range definitions {
		writeFile(t, filepath.Join(dir, "docker/buildx/instances", name), content, 0o600)
	}
	writeFile(t, filepath.Join(j.dir, "Dockerfile"), "from scratch as app\nCOPY a /\n", 0o644) // a lowercase keyword is a warning
	writeFile(t, filepath.Join(j.dir, "docker-bake.hcl"), "variable \"IMAGE\" {}\ntarget \"app\" {\n  target = \"app\"\n  tags = [\"${IMAGE}:baked\"]\n}\n", 0o644)
	writeFile(t, filepath.Join(j.dir, "a"), "a\n", 0o644)
	writeFile(t, filepath.Join(j.dir, "sub/Dockerfile"), "FROM base AS x\nRUN --mount=type=secret,id=T test -s /run/secrets/T\nFROM x AS app\n", 0o644)
	writeFile(t, filepath.Join(j.temp, "secret"), "", 0o600)
	registry := s.Bed.Registry
	j.env = map[string]string{
		"PATH": filepath.Join(dir, "bin") + ":/usr/bin:/bin", "HOME": dir, "DOCKER_CONFIG": filepath.Join(dir, "docker"),
		"KUBECONFIG": s.kubeconfig(), "SSL_CERT_FILE": registry.CA, "GITHUB_WORKSPACE": j.dir, "GITHUB_REPOSITORY": "acme/app", "RUNNER_TEMP": j.temp,
		"T": j.temp, "REGISTRY": registry.Address, "IMAGE": registry.Address + "/" + s.Name + "/docker", "CONTEXT": ".", "NAMESPACE": s.Name,
		"BUILDKIT": s.Bed.Images.BuildKit, "BASE": registry.Base, "ID": "xk3zabcdefghijklmnopqrstu",
	}
	return j
}

func (j *dockerJob) environ() []string {
	var all []string
	for name, value := range j.env {
		all = append(all, name+"="+value)
	}
	return all
}

// run runs a line as a shell does.
func (j *dockerJob) run(t *testing.T, line, stdin string) dockerCall {
	t.Helper()
	command, vars, _ := strings.Cut(line, " # ")
	cmd := exec.CommandContext(t.Context(), "sh", "-c", vars+" "+command)
	cmd.Dir, cmd.Env, cmd.Stdin = j.dir, j.environ(), strings.NewReader(stdin)
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	call := dockerCall{Command: command, Stdout: out.String(), Code: cmd.ProcessState.ExitCode(), stderr: diagnostics.String()}
	j.calls = append(j.calls, call)
	return call
}

// replay runs the recorded lines of a file, or those of a part. For each of fail the first
// line that begins so must fail, all others must not.
func (j *dockerJob) replay(t *testing.T, name, part string, fail ...string) {
	t.Helper()
	text, _, _ := strings.Cut(readFile(t, filepath.Join("testdata/docker", name+".txt")), "# post exit")
	main, post, _ := strings.Cut(text, "# main exit")
	switch part {
	case "main":
		text = main
	case "post":
		text = post
	}
	stdin := ""
	if strings.HasPrefix(name, "login") {
		stdin = j.env["PASSWORD"]
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "docker") {
			continue
		}
		call := j.run(t, line, stdin)
		at := slices.IndexFunc(fail, func(prefix string) bool { return strings.HasPrefix(line, prefix) })
		if (call.Code != 0) != (at >= 0) || call.Code != 0 && call.stderr == "" {
			t.Errorf("%s: %s: exit code %d\n%s", name, line, call.Code, call.stderr)
		}
		if at >= 0 {
			fail = slices.Delete(fail, at, at+1)
		}
	}
}

// toolkit runs a script with the library of docker's actions, which reads a file: node does
// not wait for a standard input that is a pipe.
func (j *dockerJob) toolkit(t *testing.T, answer any, script, input string) {
	t.Helper()
	node, program, err := GitLabCILocal("programs/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	// Packages are looked for beside the script.
	file := filepath.Join(filepath.Dir(j.dir), script)
	writeFile(t, file, readFile(t, filepath.Join("testdata/docker", script)), 0o644)
	modules := filepath.Join(filepath.Dir(j.dir), "node_modules")
	if err := os.Symlink(filepath.Join(filepath.Dir(program), "../.."), modules); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, file, input)
	cmd.Dir, cmd.Env = j.dir, j.environ()
	var diagnostics bytes.Buffer
	cmd.Stderr = &diagnostics
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, out, &diagnostics)
	}
	if _, rest, found := strings.Cut(string(out), "answer "); found { // the library prints, too
		out = []byte(rest)
	}
	if err := json.Unmarshal(out, answer); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// builderOfActions is what the library knows of a builder.
type builderOfActions struct {
	Name, Driver string
	Nodes        []struct{ Name, Status, Buildkit, Platforms string }
}

// parsed are what the library makes of the answers to the calls so far.
func (j *dockerJob) parsed(t *testing.T) (versions []string, builders []builderOfActions) {
	t.Helper()
	var all []struct {
		Version string
		Builder *builderOfActions
		Context string
	}
	calls, err := json.Marshal(j.calls)
	if err != nil {
		t.Fatal(err)
	}
	input := filepath.Join(j.temp, "calls.json")
	writeFile(t, input, string(calls), 0o644)
	j.toolkit(t, &all, "parse.mjs", input)
	for i, one := range all {
		if one.Version != "" {
			versions = append(versions, one.Version)
		}
		if one.Builder != nil {
			builders = append(builders, *one.Builder)
		}
		if strings.HasPrefix(j.calls[i].Command, "docker context inspect --format=json") && one.Context != "default" {
			t.Errorf("the context is %q", one.Context)
		}
	}
	return versions, builders
}

func checkBuilder(t *testing.T, b builderOfActions) {
	t.Helper()
	if b.Name != "kube" || b.Driver != "kubernetes" || len(b.Nodes) != 2 {
		t.Errorf("the actions take for a builder %+v", b)
	}
	for i, node := range b.Nodes {
		if node.Status != "running" || !strings.HasPrefix(node.Buildkit, "v0.") || node.Platforms != []string{"linux/amd64", "linux/arm64"}[i] {
			t.Errorf("the actions take for a node %+v", node)
		}
	}
}

// TestDockerActions replays what docker's actions call, with the program in the place of
// docker and a builder that is shared.
func TestDockerActions(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	kube := readFile(t, filepath.Join(s.dir, "definitions/kube"))
	j := s.newDockerJob(t, map[string]string{"kube": kube})
	j.env["PASSWORD"] = s.Bed.Registry.Password
	j.run(t, `printf %s "$PASSWORD" | docker login --username `+s.Bed.Registry.Username+` --password-stdin $REGISTRY`, "")

	// docker/setup-buildx-action without inputs wants a builder of an engine; with the name
	// of the shared one it takes that. Its last step removes the builder.
	j.replay(t, "sb-default", "main", "docker buildx inspect builder-of-this-run")
	j.replay(t, "bpa-defaults", "main")
	j.replay(t, "bpa-v6.18.0", "main")
	j.replay(t, "bpa-v5.4.0", "")
	j.replay(t, "bpa-local", "main")
	j.replay(t, "bpa-check", "", "docker buildx build --call check") // there is a warning
	j.replay(t, "bake", "main")
	j.replay(t, "sb-kube-exists", "")
	j.replay(t, "sb-default", "post")
	if readFile(t, filepath.Join(j.env["DOCKER_CONFIG"], "buildx/instances/kube")) != kube {
		t.Error("the definition of the shared builder has changed")
	}
	if got := readFile(t, filepath.Join(j.dir, "out/a")); got != "a\n" {
		t.Errorf("the file of the build is %q", got)
	}

	versions, builders := j.parsed(t)
	if len(versions) < 10 || slices.ContainsFunc(versions, func(v string) bool { return v != versions[0] || !strings.HasPrefix(v, "0.") }) {
		t.Errorf("the actions take for versions %q", versions)
	}
	if len(builders) < 8 {
		t.Errorf("%d builders are parsed", len(builders))
	}
	for _, b := range builders {
		checkBuilder(t, b)
	}

	// What the library learns by calling docker itself.
	j.run(t, `BUILDX_METADATA_WARNINGS=true docker buildx build --metadata-file $T/live.json --tag $IMAGE:live --push .`, "")
	var live struct {
		Daemon, Available, Current, Exists, Missing         bool
		Version, Context, ContextName, Ref, Digest, History string
		Builder                                             builderOfActions
		Warnings                                            int
		Annotations                                         []struct{ File, Title string }
		State                                               struct{ LocalPath, DockerfilePath string }
	}
	j.toolkit(t, &live, "live.mjs", filepath.Join(j.temp, "live.json"))
	digest, err := s.images.Digest(t.Context(), s.Name+"/docker:live")
	if err != nil {
		t.Fatal(err)
	}
	checkBuilder(t, live.Builder)
	if !live.Daemon || !live.Available || !live.Current || !live.Exists || live.Missing || live.Version != versions[0] || live.Context != "default" || live.ContextName != "default" {
		t.Errorf("the library takes for docker %+v", live)
	}
	if live.Digest != digest || len(strings.Split(live.Ref, "/")) != 3 {
		t.Errorf("the library has the digest %q of the build %q, the registry has %q", live.Digest, live.Ref, digest)
	}
	if live.Warnings != 1 || len(live.Annotations) != 1 || live.Annotations[0].File != "Dockerfile" {
		t.Errorf("%d warnings are annotated as %+v", live.Warnings, live.Annotations)
	}
	if live.State.LocalPath != j.dir || live.State.DockerfilePath != filepath.Join(j.dir, "Dockerfile") {
		t.Errorf("the state of the build is %+v", live.State)
	}
	if live.History != "" {
		t.Errorf("the history of the build cannot be read: %s", live.History)
	}
}

// TestDockerLogin replays docker/login-action.
func TestDockerLogin(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	j := s.newDockerJob(t, nil)
	j.env["PASSWORD"] = s.Bed.Registry.Password
	text := strings.ReplaceAll(readFile(t, "testdata/docker/login.txt"), "--username me", "--username "+s.Bed.Registry.Username)
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "docker") {
			continue
		}
		call := j.run(t, line, j.env["PASSWORD"])
		config := readFile(t, filepath.Join(j.env["DOCKER_CONFIG"], "config.json"))
		if call.Code != 0 || strings.Contains(config, s.Bed.Registry.Address) != strings.HasPrefix(line, "docker login") {
			t.Errorf("%s: exit code %d\n%s%s\n%s", line, call.Code, call.Stdout, call.stderr, config)
		}
	}
}

// TestDockerActionsMakeBuilders replays docker/setup-buildx-action with builders of the
// job's own, whose last step removes them, and a build with all inputs there.
func TestDockerActionsMakeBuilders(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	j := s.newDockerJob(t, nil)
	own := kubectl.Namespace{Bed: s.Bed, Name: s.Name + "-own"}
	if _, err := own.Run(t.Context(), "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+own.Name+"}\n", "create", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(own.Stop(ctx), own.Delete(ctx)); err != nil {
			t.Error(err)
		}
	})
	j.env["KUBECONFIG"] = s.Bed.Kubeconfig // the runner's may make no builders
	j.env["NAMESPACE"], j.env["PASSWORD"] = own.Name, s.Bed.Registry.Password
	writeFile(t, filepath.Join(j.temp, "secret"), "debug = true\n[registry.\""+s.Bed.Registry.Address+"\"]\n  ca = [\""+s.Bed.Registry.CA+"\"]\n", 0o600)
	agent, err := net.Listen("unix", filepath.Join(j.temp, "agent.sock")) // no step asks it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = agent.Close() }()
	j.env["SSH_AUTH_SOCK"] = agent.Addr().String()
	j.run(t, `printf %s "$PASSWORD" | docker login --username `+s.Bed.Registry.Username+` --password-stdin $REGISTRY`, "")

	j.replay(t, "sb-kube", "main", "docker buildx inspect kube")
	j.replay(t, "bpa-full", "main")
	if info, err := os.Stat(filepath.Join(j.temp, "image.tar")); err != nil || info.Size() == 0 {
		t.Errorf("the archive of the build: %v", err)
	}
	j.replay(t, "bpa-full", "post", "docker buildx history inspect", "docker buildx history export")
	_, builders := j.parsed(t)
	for _, b := range builders[1:] {
		checkBuilder(t, b)
	}
	j.replay(t, "sb-kube", "post")
	out, err := own.Run(t.Context(), "", "get", "deployments", "-o", "name")
	if err != nil || out != "" {
		t.Errorf("after the last step there is %q, %v", out, err)
	}

	// A remote one, which does not answer here.
	authority, err := pki.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue(pkix.Name{CommonName: "runner"}, []string{"runner"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"cacert": pair.Certificate, "cert": pair.Certificate, "key": pair.Key} {
		writeFile(t, filepath.Join(j.env["DOCKER_CONFIG"], "buildx/certs", name+"_buildkit-1234.pem"), string(content), 0o600)
	}
	j.replay(t, "sb-remote", "main", "docker buildx inspect builder-of-this-run", "docker buildx inspect --bootstrap")
	j.replay(t, "sb-remote", "post")
	entries, err := os.ReadDir(filepath.Join(j.env["DOCKER_CONFIG"], "buildx/instances"))
	if err != nil || len(entries) > 0 {
		t.Errorf("after the last step there are definitions: %v, %v", entries, err)
	}
}
