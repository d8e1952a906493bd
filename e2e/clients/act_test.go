package clients

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// machineDockerfile says of each platform which machine it was built for.
const machineDockerfile = "ARG BASE=scratch\nFROM $BASE AS base\nARG TARGETARCH\nRUN echo $TARGETARCH > /machine\n"

// workflow is a file of pipelines/github/workflows for the testbed: its registry takes
// the place of GitHub's, and the build gets the base image that it has.
func workflow(t *testing.T, s *stand, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../pipelines/github/workflows", name))
	if err != nil {
		t.Fatal(err)
	}
	const tags = "          tags: "
	if strings.Count(string(text), tags) != 1 {
		t.Fatalf("%s has no step with tags", name)
	}
	return strings.NewReplacer(
		"ghcr.io/acme/app", s.Bed.Registry.Address+"/"+s.Name+"/app",
		tags, "          build-args: BASE="+s.Bed.Registry.Base+"\n"+tags,
	).Replace(string(text))
}

// steps is a workflow that checks out, and has these steps, indented by six spaces.
func steps(text string) string {
	return "on: push\njobs:\n  build:\n    runs-on: slipway\n    steps:\n      - uses: actions/checkout@v7\n" + text
}

const actionStep = "      - uses: slipway-build/slipway/pipelines/github@v0.2.0\n        id: image\n        with:\n"

// act runs a workflow for an event.
type act struct {
	event   string
	payload any               // of the event; nil for none
	secrets map[string]string // of the repository
	vars    map[string]string // variables of the repository
	env     map[string]string // of the runner; nil for the stand's
	noPath  bool              // the runner has no slipway
}

func (a act) run(t *testing.T, s *stand, files map[string]string) ended {
	t.Helper()
	program, err := Act()
	if err != nil {
		t.Fatal(err)
	}
	dir := repository(t, "https://github.com/acme/app", files)
	scratch := t.TempDir()
	args := []string{
		"--no-cache-server", "--action-offline-mode", "--local-repository", "slipway-build/slipway@v0.2.0=" + s.action,
		"--platform", "slipway=-self-hosted", "--platform", "ubuntu-latest=-self-hosted",
	}
	event := a.event
	if event == "" {
		event = "push"
	}
	if a.payload != nil {
		raw, err := json.Marshal(a.payload)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(scratch, "event.json"), string(raw), 0o600)
		args = append(args, "--eventpath", filepath.Join(scratch, "event.json"))
	}
	env := a.env
	if env == nil {
		env = s.env()
	}
	for name, value := range env {
		args = append(args, "--env", name+"="+value)
	}
	// Secrets are passed as their names are: act takes the values from its environment.
	path := s.path()
	if a.noPath {
		path = os.Getenv("PATH")
	}
	environ := []string{"PATH=" + path, "HOME=" + scratch, "XDG_CACHE_HOME=" + scratch}
	for name, value := range a.secrets {
		args = append(args, "--secret", name)
		environ = append(environ, name+"="+value)
	}
	for name, value := range a.vars {
		args = append(args, "--var", name+"="+value)
	}
	return runClient(t, dir, environ, program, append([]string{event}, args...)...)
}

// TestGitHubWorkflow runs the workflow of pipelines/github: the digest that the next
// step gets is that of the index in the registry.
func TestGitHubWorkflow(t *testing.T) {
	s := newStand(t)
	log := act{}.run(t, s, map[string]string{
		".github/workflows/image.yml": workflow(t, s, "image.yml"), "Dockerfile": machineDockerfile,
	}).with(t, 0)
	digest := s.only(t, "app")
	log.has(t, "| "+s.Bed.Registry.Address+"/"+s.Name+"/app@"+digest)
}

// only returns the digest of the one tag of a repository, which is an index of both
// platforms.
func (s *stand) only(t *testing.T, repository string) string {
	t.Helper()
	repository = s.Name + "/" + repository
	tags, err := s.images.Tags(t.Context(), repository)
	if err != nil || len(tags) != 1 {
		t.Fatalf("the tags of %s: %v, %v; want one", repository, tags, err)
	}
	reference := repository + ":" + tags[0]
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		if _, err := s.images.Image(t.Context(), reference, platform); err != nil {
			t.Fatal(err)
		}
	}
	digest, err := s.images.Digest(t.Context(), reference)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// TestGitHubHostedWorkflow runs the workflow for GitHub's own runners: definition and
// kubeconfig are secrets, and the program is downloaded.
func TestGitHubHostedWorkflow(t *testing.T) {
	s := newStand(t)
	log := s.hosted(t, "hosted", workflow(t, s, "hosted.yml"), map[string]string{
		"DEFINITION": readFile(t, filepath.Join(s.dir, "definitions/kube")), "KUBECONFIG": readFile(t, s.kubeconfig()),
	})
	log.has(t, "/hosted@"+s.only(t, "hosted"))
}

// TestGitHubRemoteWorkflow runs the workflow for buildkitds at addresses of their own: the
// pods of the stand, by one certificate for amd64, since each has its own.
func TestGitHubRemoteWorkflow(t *testing.T) {
	s := newStand(t)
	var pods struct {
		Items []struct{ Status struct{ PodIP string } }
	}
	var secret struct{ Data map[string][]byte }
	for into, args := range map[any][]string{
		&pods:   {"get", "pods", "--selector", "app=builder-amd64", "-o", "json"},
		&secret: {"get", "secret", "builder-amd64-tls-client", "-o", "json"},
	} {
		text, err := s.Run(t.Context(), "", args...)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	flow := strings.NewReplacer(
		"amd64.builders.example.com", pods.Items[0].Status.PodIP, "arm64.builders.example.com", pods.Items[0].Status.PodIP,
		"servername: builders.example.com", "servername: buildkitd.builder-amd64."+s.Name,
	).Replace(workflow(t, s, "remote.yml"))
	log := s.hosted(t, "remote", flow, map[string]string{
		"BUILDERS_CA": string(secret.Data["ca.crt"]), "BUILDERS_CERT": string(secret.Data["tls.crt"]), "BUILDERS_KEY": string(secret.Data["tls.key"]),
	})
	log.has(t, "/remote@"+s.only(t, "remote"))
}

// hosted runs a workflow on a runner that has nothing of Slipway but what the workflow
// brings, and pushes to a repository of that name.
func (s *stand) hosted(t *testing.T, name, flow string, secrets map[string]string) ended {
	t.Helper()
	server := httptest.NewTLSServer(http.FileServer(http.Dir(filepath.Dir(s.slipway))))
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, ca, pemOf(server.Certificate()), 0o644)
	flow = strings.NewReplacer(
		"https://github.com/slipway-build/slipway/releases/download/v0.2.0/slipway_0.2.0_linux_amd64", server.URL+"/slipway",
		"/"+s.Name+"/app", "/"+s.Name+"/"+name,
	).Replace(flow)
	env := s.env()
	delete(env, "KUBECONFIG")
	delete(env, "SLIPWAY_DEFINITIONS")
	env["CURL_CA_BUNDLE"] = ca
	return act{
		env: env, noPath: true, secrets: secrets, vars: map[string]string{"SLIPWAY_SHA256": sha256Of(readFile(t, s.slipway))},
	}.run(t, s, map[string]string{".github/workflows/" + name + ".yml": flow, "Dockerfile": machineDockerfile}).with(t, 0)
}

// TestGitHubInputsArrive tests that values that a shell, CSV or the program's own flags
// would take for syntax arrive in the build as they are.
func TestGitHubInputsArrive(t *testing.T) {
	s := newStand(t)
	want := "it's $(touch pwned) `touch pwned` \"quoted\"; --push\n::set-output name=x::y\nlast\\"
	log := act{secrets: map[string]string{"VALUE": want, "TOKEN": "the-token-of-npm"}}.run(t, s, map[string]string{
		".github/workflows/w.yml": steps(actionStep +
			"          context: .\n" +
			"          target: out\n" +
			"          outputs: type=local,dest=out\n" +
			"          provenance: false\n" +
			"          build-args: |\n" +
			"            BASE=" + s.Bed.Registry.Base + "\n" +
			"            \"VALUE=it's $(touch pwned) `touch pwned` \"\"quoted\"\"; --push\n" +
			"            ::set-output name=x::y\n" +
			"            last\\\"\n" +
			"            DASH=--no-cache\n" +
			"            COMMAS=a,b,,\n" +
			"          secrets: |\n" +
			"            npm=${{ secrets.TOKEN }}\n" +
			"            other=made-by-${{ github.job }}\n" +
			"      - run: 'echo the secret is made-by-build'\n" +
			"      - run: 'sed s/^/value:/ out/value; echo; echo \"$(cat out/dash) $(cat out/commas) $(cat out/npm)\"; ls'\n"),
		"Dockerfile": "ARG BASE=scratch\nFROM $BASE AS base\nARG VALUE DASH COMMAS\n" +
			"RUN --mount=type=secret,id=npm printf '%s' \"$VALUE\" > /value && printf '%s' \"$DASH\" > /dash && printf '%s' \"$COMMAS\" > /commas && sha256sum < /run/secrets/npm | cut -c1-64 > /npm\n" +
			"FROM scratch AS out\nCOPY --from=base /value /dash /commas /npm /\n",
	}).with(t, 0)
	for line := range strings.SplitSeq(want, "\n") {
		log.has(t, "| value:"+line+"\n")
	}
	log.has(t, "| --no-cache a,b,, "+sha256Of("the-token-of-npm"))
	log.has(t, "| the secret is ***")
	log.lacks(t, "pwned\n", "the-token-of-npm", "made-by-build")
}

// TestGitHubHostileBuild tests that what a build prints, or is made of, is no command
// of the runner.
func TestGitHubHostileBuild(t *testing.T) {
	s := newStand(t)
	const hostile = "RUN printf '%s\\n' '::set-output name=digest::forged' '::add-path::/tmp/forged' '::set-env name=FORGED::1' '::stop-commands::forged' '::add-mask::amd64' '::save-state name=a::forged' '##[set-output name=digest;]forged' '##vso[task.setvariable variable=FORGED]1' ' ::error::forged'\n"
	log := act{}.run(t, s, map[string]string{
		".github/workflows/w.yml": steps(actionStep +
			"          context: .\n          provenance: false\n          no-cache: true\n          push: true\n" +
			"          tags: " + s.Bed.Registry.Address + "/" + s.Name + "/hostile:1\n" +
			"          platforms: linux/amd64,linux/arm64\n" +
			"          build-args: BASE=" + s.Bed.Registry.Base + "\n" +
			"      - run: 'echo \"digest $DIGEST forged:$FORGED path:$PATH machine:amd64\"; echo ::warning::commands work'\n" +
			"        env: {DIGEST: '${{ steps.image.outputs.digest }}'}\n"),
		"Dockerfile": machineDockerfile + hostile,
	}).with(t, 0)
	log.has(t, "| digest "+s.only(t, "hostile")+" forged: path:", "machine:amd64", "🚧  ::warning::commands work")
	log.lacks(t, "/tmp/forged:", "❗  ::error", "⚙  ::set-output:: digest=forged", "⚙  ::set-env::", "⚙  ::add-path::", "⚙  ::add-mask::")
}

// TestGitHubFailure tests what a build that fails looks like: the step fails, so does the
// job, and an annotation is at the instruction.
func TestGitHubFailure(t *testing.T) {
	s := newStand(t)
	log := act{}.run(t, s, map[string]string{
		".github/workflows/w.yml": steps(actionStep +
			"          context: .\n          file: sub/Dockerfile\n          build-args: BASE=" + s.Bed.Registry.Base + "\n" +
			"      - run: echo reached\n" +
			"      - if: failure()\n        run: 'echo \"digest [$DIGEST]\"'\n        env: {DIGEST: '${{ steps.image.outputs.digest }}'}\n"),
		"sub/Dockerfile": machineDockerfile + "RUN echo it broke && exit 7\n",
	})
	if log.code == 0 {
		t.Errorf("exit 0 of a workflow whose build fails")
	}
	log.has(t, "❌  Failure - Main slipway-build/slipway/pipelines/github@v0.2.0", "❓  ::group::", "❓  ::endgroup::", "❗  ::error file=sub/Dockerfile,line=5", "| digest []")
	log.lacks(t, "| reached")
}

// TestGitHubPullRequestFromFork tests that a pull request of a fork, which gets no
// secrets, is built and not pushed.
func TestGitHubPullRequestFromFork(t *testing.T) {
	s := newStand(t)
	flow := strings.ReplaceAll(workflow(t, s, "image.yml"), "/"+s.Name+"/app", "/"+s.Name+"/fork")
	flow = strings.Replace(flow, "          tags: ", "          secrets: npm=${{ secrets.NPM_TOKEN }}\n          tags: ", 1)
	env := s.env()
	delete(env, "DOCKER_CONFIG")
	log := act{event: "pull_request", env: env, payload: map[string]any{
		"number": 3,
		"pull_request": map[string]any{
			"number": 3,
			"head":   map[string]any{"ref": "patch", "sha": strings.Repeat("a", 40), "repo": map[string]any{"fork": true, "full_name": "stranger/app"}},
			"base":   map[string]any{"ref": "main", "sha": strings.Repeat("b", 40), "repo": map[string]any{"full_name": "acme/app"}},
		},
	}}.run(t, s, map[string]string{
		".github/workflows/image.yml": strings.ReplaceAll(flow, "BASE="+s.Bed.Registry.Base, "BASE=scratch"), "Dockerfile": "ARG BASE=scratch\nFROM $BASE\nCOPY Dockerfile /\n",
	}).with(t, 0)
	log.has(t, "input secrets: npm has no value")
	if tags, err := s.images.Tags(t.Context(), s.Name+"/fork"); err != nil || len(tags) > 0 {
		t.Errorf("the fork's pull request has pushed: %v, %v", tags, err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
