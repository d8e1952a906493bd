package scenarios

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/e2e/registrytest"
)

// kanikoDockerfile has a step whose result is another one each time it runs, and a label.
const kanikoDockerfile = `ARG BASE=scratch
FROM ${BASE}
RUN cat /proc/sys/kernel/random/uuid > /once
ARG TARGETARCH
RUN echo $TARGETARCH > /machine.txt
LABEL scenario=yes
COPY greeting /
`

// kanikoImage builds the variant of Slipway's image that has the shape of kaniko's debug
// image, of this repository's Dockerfile. What the compiler makes there comes from the
// agent, in an image with a shell.
func (s *shop) kanikoImage() string {
	s.t.Helper()
	b := s.Bed
	busybox := " --build-context busybox:1.37.0-musl=oci-layout://" + b.Base.InAgent + ":" + b.Base.Tag
	s.write("image/Dockerfile", readFile(s.t, "../Dockerfile"))
	s.write("compiled/Dockerfile", "FROM base\nCOPY out /out\nCOPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt\n")
	s.ok("mkdir -p compiled/out/home && cp $(command -v slipway) compiled/out/slipway && cp /etc/ssl/certs/ca-certificates.crt compiled/")
	s.ok("slipway build --platform linux/amd64 --build-context base=oci-layout://" + b.Base.InAgent + ":" + b.Base.Tag + " -t " + s.tag("compiled") + " --push compiled")
	s.ok("slipway build --platform linux/amd64 --target kaniko-debug --build-context build=docker-image://" + s.tag("compiled") + busybox + " -t " + s.tag("kaniko-debug") + " --push image")
	return s.tag("kaniko-debug")
}

// TestFromKaniko runs the commands of docs/from-kaniko.md in a pod as GitLab makes it for a
// job: kaniko's debug image without its entrypoint, a shell that reads the script, a user
// that the image does not know, and no credential but the job's variables.
func TestFromKaniko(t *testing.T) {
	t.Parallel()
	b := bed(t)
	s := newShop(t, b.Images.Agent, b.Registry)
	image := s.kanikoImage()
	r := b.Registry
	s.kubectl("", "create", "secret", "docker-registry", "pull", "--docker-server="+r.Address, "--docker-username="+r.Username, "--docker-password="+r.Password)
	s.kubectl(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: job}
spec:
  serviceAccountName: agent
  nodeSelector: {kubernetes.io/arch: amd64}
  terminationGracePeriodSeconds: 0
  imagePullSecrets: [{name: pull}]
  containers:
    - name: build
      image: %[1]q
      command: [sh, -c, "sleep 3600"]
      securityContext: {runAsUser: 12345, runAsGroup: 54321, runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      env: &env
        - {name: GITLAB_CI, value: "true"}
        - {name: CI_SERVER_URL, value: "https://gitlab.example"}
        - {name: CI_PROJECT_PATH, value: team/app}
        - {name: CI_PROJECT_DIR, value: /builds/team/app}
        - {name: CI_REGISTRY, value: %[2]q}
        - {name: CI_REGISTRY_USER, value: %[3]q}
        - {name: CI_REGISTRY_PASSWORD, value: %[4]q}
        - {name: CI_REGISTRY_IMAGE, value: %[5]q}
        - {name: CI_COMMIT_TAG, value: "1"}
      volumeMounts:
        - {name: builders, mountPath: /etc/slipway/definitions, readOnly: true}
        - {name: builds, mountPath: /builds}
    - name: sealed
      image: %[1]q
      command: [sh, -c, "sleep 3600"]
      securityContext: {readOnlyRootFilesystem: true, runAsUser: 54321, runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      env: *env
      volumeMounts:
        - {name: builders, mountPath: /etc/slipway/definitions, readOnly: true}
        - {name: builds, mountPath: /builds, readOnly: true}
        - {name: room, mountPath: /room}
  volumes:
    - {name: room, emptyDir: {}}
    - {name: builders, configMap: {name: builders}}
    - {name: builds, emptyDir: {}}
`, image, r.Address, r.Username, r.Password, s.repo+"/app"), "create", "-f", "-")
	s.awaitReady("job")
	in := func(container, lines string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		out, err := s.Run(ctx, "set -eu\nmkdir -p $CI_PROJECT_DIR\ncd $CI_PROJECT_DIR\n"+strings.ReplaceAll(lines, "registry.example", s.repo), "exec", "-i", "job", "-c", container, "--", "/busybox/sh")
		if err != nil {
			t.Fatalf("%s\n%v\n%s", lines, err, out)
		}
		return out
	}
	script := func(lines string) string {
		t.Helper()
		return in("build", lines)
	}
	script("echo hello > greeting && cat > Dockerfile <<'END'\n" + strings.Replace(kanikoDockerfile, "BASE=scratch", "BASE="+r.Base, 1) + "END\n")

	// Without the file, GitLab's variables are the credential.
	script("/kaniko/executor --destination registry.example/app:0 --context dir://$PWD 2>&1")
	page := readFile(t, "../docs/from-kaniko.md")
	ran := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(page, -1) {
		script(block[1] + "true 2>&1")
		ran++
	}
	if ran != 5 {
		t.Errorf("the page has %d blocks of commands", ran)
	}

	want(t, "the credential's file", script("ls /kaniko/.docker"), "config.json\n")
	for _, tag := range []string{"0", "1", "2", "4", "5"} {
		if err := s.images.Validate(t.Context(), s.Name+"/app:"+tag); err != nil {
			t.Errorf("app:%s: %v", tag, err)
		}
	}
	if there, err := s.images.Exists(t.Context(), s.Name+"/app:3"); err != nil || there {
		t.Errorf("app:3 was pushed with --no-push: %v, %v", there, err)
	}
	digest := func(tag string) string {
		t.Helper()
		d, err := s.images.Digest(t.Context(), s.Name+"/app:"+tag)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	// A single manifest for one platform, an index for several.
	if _, err := s.images.Index(t.Context(), s.Name+"/app:1"); err == nil {
		t.Error("app:1 is an index, and kaniko's is a manifest")
	}
	index, err := s.images.Index(t.Context(), s.Name+"/app:2")
	if err != nil {
		t.Fatal(err)
	}
	checkPlatforms(t, index, "linux/amd64", "linux/arm64")
	want(t, "digest", script("cat digest"), digest("2"))
	want(t, "image", script("cat image"), s.repo+"/app:4@"+digest("4")+"\n")
	if config, err := s.images.Config(t.Context(), s.Name+"/app:5", "linux/amd64"); err != nil || config.Created.Unix() != 0 {
		t.Errorf("--reproducible: %v, %v", config, err)
	}

	archive := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(archive, []byte(script("cat image.tar")), 0o600); err != nil {
		t.Fatal(err)
	}
	configs, err := registrytest.DockerArchive(archive)
	if err != nil {
		t.Fatal(err)
	}
	if config := configs[s.repo+"/app:3"]; config == nil || config.Architecture != "amd64" {
		t.Errorf("the archive holds %v", configs)
	}
	want(t, "layout", script("test -s layout/index.json && cat layout/oci-layout"), `{"imageLayoutVersion":"1.0.0"}`)

	// The cache of the registry serves a builder that has nothing any more: the step with
	// another result each time is not run again.
	s.ok("slipway prune --all --force >&2")
	log := script("executor --context . --cache --destination registry.example/app:6 2>&1")
	want(t, "the image from the cache of the registry", digest("6"), digest("4"))
	if !strings.Contains(log, s.repo+"/app/cache") {
		t.Errorf("the log does not name the cache:\n%s", log)
	}
	script("executor --context . --cache=false --destination registry.example/app:7 2>&1")
	if digest("7") == digest("4") {
		t.Error("--cache=false has used a cache")
	}

	// A registry that is reached through a mirror only, for this build.
	script("executor --context . --build-arg BASE=mapped.example" + strings.TrimPrefix(r.Base, r.Address) +
		" --registry-map mapped.example=$CI_REGISTRY --skip-default-registry-fallback --destination registry.example/app:12 2>&1")

	// A repository, which the builder fetches, with its .git as kaniko has it. A Dockerfile
	// in the working directory would go before its own.
	s.write("repository/Dockerfile", "FROM "+r.Base+"\nCOPY . /src\nRUN test -d /src/.git && grep side /src/branch\nLABEL scenario=yes\n")
	s.ok(`cd repository && git init -q && git config user.email a@b.example && git config user.name a && git add . && git commit -qm one &&
		git checkout -qb side && echo side > branch && git add . && git commit -qm two && mkdir -p /tmp/www/team &&
		git clone -q --bare . /tmp/www/team/app.git && cd /tmp/www/team/app.git && git update-server-info && httpd -p 8080 -h /tmp/www`)
	script("cd /; GIT_PULL_METHOD=http executor --context git://" + s.kubectl("", "get", "pod", "agent", "-o", "jsonpath={.status.podIP}") +
		":8080/team/app --git branch=side --destination registry.example/app:11 2>&1")

	// Another user, with a root that is read-only: unpacking needs a place, which is told.
	log = in("sealed", "tar -czf - Dockerfile greeting | executor --context tar://stdin --destination registry.example/app:9 2>&1 && exit 9 || true")
	for _, words := range []string{"error: TMPDIR: no temporary files can be made: ", "hint: set TMPDIR to a directory"} {
		if !strings.Contains(log, words) {
			t.Errorf("with nowhere to unpack: no %q in\n%s", words, log)
		}
	}
	in("sealed", "tar -czf - Dockerfile greeting | TMPDIR=/room executor --context tar://stdin --destination registry.example/app:9 2>&1")
	in("sealed", "executor --context . --destination registry.example/app:10 2>&1")
	for _, tag := range []string{"9", "10", "11", "12"} {
		if err := s.images.Validate(t.Context(), s.Name+"/app:"+tag); err != nil {
			t.Errorf("app:%s: %v", tag, err)
		}
	}

	// Nothing is built where the image could not be pushed.
	log = script(`mkdir -p /tmp/other && echo "{\"auths\": {\"$CI_REGISTRY\": {\"auth\": \"$(printf wrong:wrong | base64)\"}}}" > /tmp/other/config.json
		DOCKER_CONFIG=/tmp/other executor --context . --destination registry.example/app:8 2>&1 && exit 9 || echo "exit code $?"`)
	if !strings.Contains(log, "error: check that "+s.repo+"/app may be pushed to: ") || !strings.Contains(log, "exit code 1\n") || strings.Contains(log, "RUN") {
		t.Errorf("with a wrong password:\n%s", log)
	}
}
