package scenarios

import (
	"strings"
	"testing"

	"github.com/slipway-build/slipway/e2e/registrytest"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// newDocker is a shop whose agent calls Slipway by the name of docker. It pushes to the
// first of the registries, and knows all of them.
func newDocker(t *testing.T, registries ...state.Registry) *shop {
	t.Helper()
	s := newStranger(t, bed(t).Images.Agent, registries[0], registries...)
	config, err := registrytest.DockerConfigFor(registries...)
	if err != nil {
		t.Fatal(err)
	}
	s.write("/root/.docker/config.json", config)
	s.ok("slipway install --as docker /usr/local/bin >&2")
	return s
}

// configID is the ID that an image in the registry has with docker, by another tool.
func (s *shop) configID(tag, platform string) string {
	s.t.Helper()
	image, err := s.images.Image(s.t.Context(), s.own(tag), platform)
	if err != nil {
		s.t.Fatal(err)
	}
	id, err := image.ConfigName()
	if err != nil {
		s.t.Fatal(err)
	}
	return id.String()
}

// valid fails the test unless the registry has all of an image.
func (s *shop) valid(tag string) {
	s.t.Helper()
	if err := s.images.Validate(s.t.Context(), s.own(tag)); err != nil {
		s.t.Error(err)
	}
}

// TestDockerBuildTagPush runs the three commands that most pipelines have, and what goes
// with them, without an engine.
func TestDockerBuildTagPush(t *testing.T) {
	t.Parallel()
	s := newDocker(t, bed(t).Registry)
	s.write("app/Dockerfile", machineDockerfile+"ARG TOKEN\nCOPY . /src\nRUN --mount=type=secret,id=key cat /run/secrets/key /dev/urandom | head -c 100 > /random\n")
	s.write("app/file", "first\n")
	build := "KEY=value-of-the-key docker build " + s.from() + "--secret id=key,env=KEY --build-arg TOKEN=value-of-the-argument "
	s.ok(build + "--iidfile app/iid -t app app >&2")
	id := s.ok("cat app/iid")

	// The context has changed since: the file with the ID is in it. What is pushed is what
	// was built, and it is not built again: that needs the secret.
	s.write("app/file", "second\n")
	short := strings.TrimPrefix(id, "sha256:")[:12]
	s.ok("docker tag app " + s.tag("one") + " && docker tag " + short + " " + s.tag("latest"))
	pushed := s.sh("docker push " + s.tag("one"))
	if pushed.code != 0 || !strings.Contains(pushed.stdout, "one: digest: "+s.digest("one")+" size: ") {
		t.Fatalf("exit %d:\n%s%s", pushed.code, pushed.stdout, pushed.stderr)
	}
	want(t, "the ID in the registry", s.configID("one", "linux/amd64"), id)
	s.valid("one")

	// Another name is only a tag, and so is the same one again.
	for _, tag := range []string{"latest", "one"} {
		again := s.sh("docker push " + s.tag(tag))
		if again.code != 0 || strings.Contains(again.stderr, "exporting") {
			t.Errorf("exit %d, the image was pushed twice:\n%s%s", again.code, again.stdout, again.stderr)
		}
	}
	want(t, "latest", s.digest("latest"), s.digest("one"))
	want(t, "inspect", s.ok("docker inspect -f '{{.Id}} {{index .RepoDigests 0}} {{.Os}}/{{.Architecture}}' app"), id+" "+s.repo+"@"+s.digest("one")+" linux/amd64\n")
	want(t, "history", s.ok("docker history --no-trunc --format '{{.CreatedBy}}' app | grep TOKEN= | grep -c '[*][*][*]'"), "2\n")
	want(t, "images", s.ok("docker images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}'"),
		"app:latest "+id+"\n"+s.repo+":one "+id+"\n"+s.repo+":latest "+id+"\n")

	// The archive is the same image, whole.
	s.ok("docker save app | gzip > app.tar.gz && docker save -o app.tar app " + s.tag("one") + " >&2")
	want(t, "what is in the archive", s.ok("gunzip < app.tar.gz | tar -xO manifest.json | grep -o '"+strings.TrimPrefix(id, "sha256:")+"' | head -n 1"), strings.TrimPrefix(id, "sha256:")+"\n")
	s.ok("tar -tf app.tar | grep -q manifest.json")

	// Another repository of the registry gets it without a builder; so does one of an image
	// that was only pulled.
	s.ok("docker tag app " + s.repo + "/other:1 && docker push -q " + s.repo + "/other:1")
	s.ok("docker rmi " + s.tag("one") + " " + s.tag("latest") + " && docker pull -q " + s.tag("one") + " && docker tag " + s.tag("one") + " " + s.repo + "/promoted:1 && docker push " + s.repo + "/promoted:1")
	for _, name := range []string{"/other:1", "/promoted:1"} {
		got, err := s.images.Digest(t.Context(), s.Name+name)
		if err != nil || got != s.digest("one") {
			t.Errorf("%s is %s, %v, want %s", name, got, err, s.digest("one"))
		}
	}
	s.fails(1, "docker pull "+s.tag("absent"), "manifest for "+s.tag("absent")+" not found")
	s.fails(1, "docker push "+s.tag("absent"), "An image does not exist locally with the tag: "+s.tag("absent"))

	// What Jenkins' plugin calls, and the page.
	s.write("Dockerfile", machineDockerfile)
	s.ok("docker build -q " + s.from() + ". > id && docker tag $(cat id) " + s.tag("jenkins") + " && docker push " + s.tag("jenkins") + " && docker inspect -f . $(cat id) && docker pull " + s.tag("jenkins"))
	want(t, "the image of Jenkins' plugin", s.configID("jenkins", "linux/amd64")+"\n", s.ok("cat id"))
	_, page, _ := strings.Cut(readFile(t, "../docs/from-docker.md"), "\n## Images between the commands\n")
	_, page, _ = strings.Cut(page, "```sh\n")
	page, _, _ = strings.Cut(page, "```")
	if strings.Count(page, "docker push") != 2 {
		t.Errorf("the page has the commands\n%s", page)
	}
	s.ok("set -e; export SLIPWAY_DOCKER_IMAGES=page\n" + strings.NewReplacer("registry.example/team", s.repo, "docker build ", "docker build "+s.from()).Replace(page))

	// Neither the secret nor the argument is in what is kept.
	s.fails(1, "grep -r value-of-the /root/.docker /tmp")
}

// TestDockerImagesOfParallelJobs builds at the same time what has the same name in two
// jobs of one home directory, and several images in one job.
func TestDockerImagesOfParallelJobs(t *testing.T) {
	t.Parallel()
	s := newDocker(t, bed(t).Registry)
	s.write("Dockerfile", machineDockerfile+"ARG WHO\nRUN echo $WHO > /who\n")
	s.ok(`set -e
job() { export JENKINS_URL=https://jenkins.example BUILD_ID=$1 BUILD_TAG=jenkins-app-$1; mkdir -p ws-$1; cp Dockerfile ws-$1; docker build -q ` + s.from() + `--build-arg WHO=$1 -t app ws-$1 > id-$1; docker tag app ` + s.repo + `:$1; docker push ` + s.repo + `:$1; }
(job one) & one=$!
(job two) & two=$!
wait $one; wait $two
export BUILD_TAG=jenkins-app-three
for i in 1 2 3 4 5 6; do (docker build -q ` + s.from() + `--build-arg WHO=$i -t ` + s.repo + `:many-$i . > id-many-$i) & pids="$pids $!"; done
for pid in $pids; do wait $pid; done
docker push --all-tags ` + s.repo)
	for _, tag := range []string{"one", "two", "many-1", "many-2", "many-3", "many-4", "many-5", "many-6"} {
		want(t, tag, s.configID(tag, "linux/amd64")+"\n", s.ok("cat id-"+tag))
	}
	if ids := strings.Fields(s.ok("cat id-* | sort -u")); len(ids) != 8 {
		t.Errorf("there are %d IDs, want 8", len(ids))
	}
}

// TestDockerImageOfBothArchitectures pushes and saves what two nodes hold, and a list that
// docker manifest makes of it.
func TestDockerImageOfBothArchitectures(t *testing.T) {
	t.Parallel()
	b := bed(t)
	s := newDocker(t, b.Registry)
	s.ok("docker build " + both + s.from() + "--iidfile iid -t " + s.tag("both") + " . >&2 && docker push " + s.tag("both"))
	s.index("both", "linux/amd64", "linux/arm64")
	want(t, "the ID", s.ok("cat iid"), s.digest("both"))
	s.valid("both")
	s.ok("docker save -o both.tar " + s.tag("both") + " >&2 && tar -tf both.tar | grep -q index.json")
	s.ok("docker push --platform linux/arm64 " + s.tag("both") + " && docker tag " + s.tag("both") + " " + s.tag("arm64"))
	s.ok("docker push --platform linux/arm64 " + s.tag("arm64"))
	want(t, "what was pushed of one platform", s.configID("arm64", "linux/arm64"), s.configID("both", "linux/arm64"))

	s.ok("for arch in amd64 arm64; do docker build --platform linux/$arch " + s.from() + "--push --provenance=false -t " + s.repo + ":part-$arch . >&2 || exit 1; done")
	list := s.tag("list")
	s.ok("docker manifest create " + list + " " + s.tag("part-amd64") + " && docker manifest create --amend " + list + " " + s.tag("part-arm64") +
		" && docker manifest annotate --os-features sse4 " + list + " " + s.tag("part-amd64") + " && docker manifest inspect " + list + " | grep -q sse4")
	want(t, "the digest of the list", s.ok("docker manifest push --purge "+list), s.digest("list")+"\n")
	s.index("list", "linux/amd64", "linux/arm64")
	s.ok("docker manifest inspect " + list + " > /dev/null")
	s.fails(1, "docker manifest inspect "+s.tag("absent"), "no such manifest: "+s.tag("absent"))
}

// TestDockerPushOfWhatIsGone looks at a push whose layers the builder has never had, and
// at one whose layers it has lost.
func TestDockerPushOfWhatIsGone(t *testing.T) {
	t.Parallel()
	b := bed(t)
	s := newDocker(t, b.TokenRegistry, b.Registry)
	s.repo = b.TokenRegistry.Address + "/team/" + s.Name
	// No step needs the files of the base image, so the builder leaves them where they are,
	// in a repository that the registry which is pushed to does not have.
	base := b.Registry.Address + "/" + s.Name + "/base:1"
	s.ok("slipway index create --tag " + base + " " + b.Registry.Base + " >&2")
	s.write("Dockerfile", "ARG BASE\nFROM ${BASE}\nLABEL lazy=yes\n")
	s.ok("docker build -q --build-arg BASE=" + base + " -t " + s.tag("lazy") + " . > id && docker push " + s.tag("lazy"))
	got, err := s.images.Digest(t.Context(), "team/"+s.Name+":lazy")
	if err != nil || !strings.Contains(s.ok("docker inspect "+s.tag("lazy")), got) {
		t.Errorf("lazy is %s, %v", got, err)
	}
	if err := s.images.Validate(t.Context(), "team/"+s.Name+":lazy"); err != nil {
		t.Error(err)
	}

	s.write("Dockerfile", machineDockerfile+"RUN head -c 100 /dev/urandom > /random\n")
	s.ok("docker build -q " + s.from() + "-t " + s.tag("lost") + " . && slipway prune --all --force >&2")
	s.fails(1, "docker push "+s.tag("lost"), "ERROR: ", "the builder no longer holds sha256:", "hint: build the image again")
	exists, err := s.images.Exists(t.Context(), "team/"+s.Name+":lost")
	if err != nil || exists {
		t.Errorf("lost is there: %v, %v", exists, err)
	}
	// Building again helps, and so does what the hint says.
	s.ok("docker build -q " + s.from() + "-t " + s.tag("lost") + " . && docker push -q " + s.tag("lost"))
	s.ok("docker build -q --push " + s.from() + "-t " + s.tag("atonce") + " . && docker push -q " + s.tag("atonce"))

	// So is what a pod had that is gone.
	s.ok("docker tag " + s.tag("lost") + " " + b.Registry.Address + "/" + s.Name + ":moved")
	s.kubectl("", "delete", "pods", "--selector=app=builder-amd64", "--now")
	s.fails(1, "docker push "+b.Registry.Address+"/"+s.Name+":moved", "the builder no longer holds sha256:")
}
