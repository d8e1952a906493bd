package clients

import (
	"flag"
	"maps"
	"path/filepath"
	"regexp"
	"testing"
)

// withBuildkite is given where Buildkite's agent has been built, which takes minutes.
var withBuildkite = flag.Bool("buildkite", false, "Buildkite's agent is built: run the test of it")

// TestBuildkite has Buildkite's own agent run a job that builds: the log has its headings,
// and that the agent reaches no server, to which meta-data would go, is a warning.
func TestBuildkite(t *testing.T) {
	if !*withBuildkite {
		t.Skip("it needs Buildkite's agent: make ci-clients")
	}
	agent, err := BuildkiteAgent()
	if err != nil {
		t.Fatal(err)
	}
	s := newStand(t)
	dir := repository(t, "https://git.example/acme/app.git", map[string]string{"Dockerfile": machineDockerfile})
	image := s.Bed.Registry.Address + "/" + s.Name + "/buildkite"
	const job = "01234567-89ab-cdef-0123-456789abcdef"
	env := s.env()
	maps.Copy(env, map[string]string{
		"PATH": s.path() + ":" + filepath.Dir(agent), "HOME": t.TempDir(), "IMAGE": image, "BUILDKITE": "true", "CI": "true",
		"BUILDKITE_AGENT_ENDPOINT": "http://127.0.0.1:9/v3", "BUILDKITE_AGENT_ACCESS_TOKEN": "none", "BUILDKITE_BUILD_CHECKOUT_PATH": dir,
		"BUILDKITE_STEP_KEY": "image", "BUILDKITE_JOB_ID": job,
	})
	var variables []string
	for name, value := range env {
		variables = append(variables, name+"="+value)
	}
	log := runClient(t, dir, variables, agent, "bootstrap", "--job", job, "--repository", dir, "--commit", "HEAD", "--branch", "main", "--agent", "test",
		"--organization", "acme", "--pipeline", "app", "--pipeline-provider", "git", "--phases", "command", "--no-job-api", "--pty=false", "--shell", "/bin/sh -ec",
		"--build-path", t.TempDir(), "--bin-path", filepath.Dir(agent),
		"--command", `slipway build --platform linux/amd64,linux/arm64 --push --tag "$IMAGE:1" --build-arg BASE=`+s.Bed.Registry.Base+" .").with(t, 0)
	log.has(t, "~~~ Running commands", "\n+++ slipway\n", "Buildkite is not told of the build: buildkite-agent meta-data")
	if !regexp.MustCompile(`(?m)^--- #\d+ \[.*\] RUN `).MatchString(log.out) && !regexp.MustCompile(`(?m)^~~~ #\d+ \[`).MatchString(log.out) {
		t.Errorf("no step has a heading:\n%s", log.out)
	}
	log.lacks(t, s.Bed.Registry.Password, "Missing job")
	s.only(t, "buildkite")
}
