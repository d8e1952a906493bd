package scenarios

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDockerCommands runs what pipelines say to docker, under set -e, with Slipway by that
// name in an agent's pod: at first as pipelines have it, then in a container without a
// home, a terminal and a known user, whose root cannot be written.
func TestDockerCommands(t *testing.T) {
	t.Parallel()
	b := bed(t)
	s := newShop(t, b.Images.Agent, b.Registry)
	r := b.Registry
	s.ok("ln -s $(command -v slipway) /usr/local/bin/docker && rm -r ~/.docker")
	s.write("pipeline.sh", `set -e
export IMAGE=`+s.repo+`
docker version
docker info
printf %s "$PASSWORD" | docker login --username "$USERNAME" --password-stdin `+r.Address+`
docker login -u "$USERNAME" -p "$PASSWORD" `+r.Address+`
docker buildx create --use --name ci
docker build --rm --force-rm --pull --no-cache --network default --cache-from $IMAGE:absent --build-arg A=1 --target made -f Dockerfile -t $IMAGE:scratch --push .
docker build -qt $IMAGE:quiet --push . | grep '^sha256:'
docker buildx build --builder ci --platform linux/amd64,linux/arm64 --cache-from $IMAGE:absent --tag $IMAGE:1 --push .
docker buildx ls
docker buildx inspect --bootstrap
docker buildx imagetools create --tag $IMAGE:latest $IMAGE:1
docker buildx imagetools inspect --format '{{.Manifest.Digest}}' $IMAGE:latest
docker buildx prune --force --filter until=24h > /dev/null
docker system prune -af
docker builder prune -f
test -z "$(docker ps -aq)"
docker rm -f x || true
docker buildx stop
docker buildx rm ci
docker logout `+r.Address+`
`)
	s.write("Dockerfile", machineDockerfile+"FROM scratch AS made\nCOPY Dockerfile /\nFROM made\n")
	ran := s.sh("USERNAME='" + r.Username + "' PASSWORD='" + r.Password + "' sh pipeline.sh")
	if ran.code != 0 {
		t.Fatalf("exit %d\n%s%s", ran.code, ran.stdout, ran.stderr)
	}
	digest, err := s.images.Digest(t.Context(), s.own("1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"Login Succeeded\n", "Server: BuildKit in Kubernetes", "\n" + digest, "Removing login credentials for " + r.Address} {
		if !strings.Contains(ran.stdout, words) {
			t.Errorf("standard output lacks %q:\n%s", words, ran.stdout)
		}
	}
	for _, words := range []string{
		"WARNING: everybody on the machine can read", "WARNING: --force-rm, --rm have no effect with BuildKit", "ERROR: docker rm needs a Docker engine",
		"INFO: builder ci is another name of kube in this job", "INFO: builder kube stays, for which ci was another name", ":absent: not found",
	} {
		if !strings.Contains(ran.stderr, words) {
			t.Errorf("standard error lacks %q:\n%s", words, ran.stderr)
		}
	}
	if _, err := s.images.Digest(t.Context(), s.own("quiet")); err != nil {
		t.Error(err)
	}

	bare := s.bareAgent()
	bare.ok("docker version && docker info && docker buildx version && docker ps -q && test \"$(docker info -f '{{.OSType}}')\" = linux")
	want(t, "the file of a build", bare.ok("docker build --platform linux/amd64 --output type=local,dest=out . 2> log || { cat log >&2; exit 1; }; cat out/Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n")
	bare.fails(1, "printf %s x | docker login --username x --password-stdin "+r.Address, "ERROR: ")
	login := fmt.Sprintf("printf %%s '%s' | docker login --username '%s' --password-stdin %s", r.Password, r.Username, r.Address)
	bare.fails(1, login, "ERROR: ", "hint: ")
	bare.ok("export DOCKER_CONFIG=/workspace/config; " + login + " && docker build --push -t " + s.tag("bare") + " .")
	bare.ok("docker buildx create --use --name ci || true; BUILDX_CONFIG=/workspace/buildx docker buildx create --use --name ci")
}

// bareAgent is a pod as strict clusters have it, with Slipway as docker in its workspace.
func (s *shop) bareAgent() *agent {
	s.t.Helper()
	manifest := s.agentManifest("bare", s.Bed.Images.Agent)
	s.kubectl(strings.Replace(manifest, "      workingDir: /workspace\n", `      workingDir: /workspace
      env: [{name: PATH, value: "/workspace/bin:/usr/local/bin:/usr/bin:/bin"}]
      securityContext:
        readOnlyRootFilesystem: true
        runAsUser: 1234567
        runAsGroup: 7654321
        runAsNonRoot: true
        allowPrivilegeEscalation: false
        capabilities: {drop: [ALL]}
`, 1), "create", "-f", "-")
	s.awaitReady("bare")
	a := &agent{space: s.space, pod: "bare"}
	a.ok("mkdir bin && ln -s $(command -v slipway) bin/docker")
	if path := os.Getenv(otherBinary); path != "" {
		program, err := os.ReadFile(path)
		if err != nil {
			s.t.Fatal(err)
		}
		a.write("/workspace/program", string(program))
		a.ok("chmod +x program && mv program bin/docker")
	}
	a.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
	a.ok("! touch /file 2> /dev/null && test \"$(id -u)\" = 1234567")
	return a
}
