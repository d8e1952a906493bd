package scenarios

import (
	"strings"
	"testing"
)

// TestTagsFromThePipeline pushes an image of two architectures under the names that its
// pipeline gives it: those that slipway tags prints.
func TestTagsFromThePipeline(t *testing.T) {
	t.Parallel()
	s := newSharedShop(t)
	s.write("/tmp/pipeline", strings.Join([]string{
		"export GITLAB_CI=true CI_COMMIT_TAG=v1.2.3 CI_COMMIT_SHA=860c1904a1ce19322e91ac35af1ab07466440c37",
		"export CI_REGISTRY_IMAGE=" + s.repo + " CI_PROJECT_NAME=app CI_PROJECT_URL=https://gitlab.example/team/app",
		"export DOCKER_METADATA_ANNOTATIONS_LEVELS=manifest,index",
		`export SLIPWAY_TAG_RULES="type=semver,pattern={{version}}`,
		`type=semver,pattern={{major}}.{{minor}}"`,
		"",
	}, "\n"))
	s.ok(". /tmp/pipeline && slipway build " + both + s.from() + "--tags-from ci --labels-from ci --annotations-from ci -t " + s.tag("given") + " --push .")
	want(t, "slipway tags", s.ok(". /tmp/pipeline && slipway tags"), s.tag("1.2.3")+"\n"+s.tag("1.2")+"\n"+s.tag("latest")+"\n")
	index, err := s.index("1.2.3", "linux/amd64", "linux/arm64").IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the annotation of the index", index.Annotations["org.opencontainers.image.version"], "1.2.3")
	for _, tag := range []string{"1.2", "latest", "given"} {
		want(t, tag, s.digest(tag), s.digest("1.2.3"))
	}
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		image, err := s.images.Image(t.Context(), s.own("latest"), platform)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		want(t, "the label of "+platform, config.Config.Labels["org.opencontainers.image.revision"], "860c1904a1ce19322e91ac35af1ab07466440c37")
	}
}
