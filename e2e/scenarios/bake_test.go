package scenarios

import (
	"encoding/json"
	"strings"
	"testing"
)

// bakeFile builds a base, which is a context of two targets, of which one is pushed.
const bakeFile = `
variable "TAG" { default = "unset" }
group "default" { targets = ["app", "tool"] }
target "_platforms" { platforms = ["linux/amd64", "linux/arm64"] }
target "base" {
  inherits = ["_platforms"]
  dockerfile-inline = <<EOT
FROM @BASE@
RUN head -c 8 /dev/urandom | od -An -tx1 > /drawn
ENV FROM_BASE=yes
EOT
}
target "app" {
  inherits = ["_platforms"]
  contexts = { base = "target:base" }
  tags = ["@REPO@:$${TAG}"]
  output = ["type=registry"]
  labels = { scenario = "yes" }
  secret = ["id=token,env=TOKEN"]
  dockerfile-inline = <<EOT
FROM base
RUN --mount=type=secret,id=token test "$$(cat /run/secrets/token)" = "a secret" && echo "$$FROM_BASE" > /made
EOT
}
target "tool" {
  inherits = ["_platforms"]
  contexts = { base = "target:base" }
  output = ["type=local,dest=out"]
  dockerfile-inline = <<EOT
FROM scratch
COPY --from=base /drawn /drawn
COPY file.txt /
EOT
}
target "broken" {
  dockerfile-inline = "FROM @BASE@\nRUN sleep 1; exit 7"
}
target "slow" {
  dockerfile-inline = "FROM @BASE@\nRUN echo slow > /slow"
  output = ["type=local,dest=kept"]
}
`

// TestBake builds targets of which some are contexts of others, on both nodes: those are
// built once on each, whoever needs them. What one target does when another one fails is
// as --keep-going says.
func TestBake(t *testing.T) {
	t.Parallel()
	b := bed(t)
	s := newShop(t, b.Images.Agent, b.Registry)
	file := strings.NewReplacer("@BASE@", b.Registry.Base, "@REPO@", s.repo, "$${TAG}", "${TAG}").Replace(bakeFile)
	s.write("docker-bake.hcl", strings.ReplaceAll(file, "$$", "$"))
	s.write("file.txt", "of the context\n")
	out := s.ok("export TAG=v1 TOKEN='a secret'; slipway bake --metadata-file metadata.json 2>&1")
	for _, word := range []string{"[base builder-amd64", "[app builder-arm64", "[tool "} {
		if !strings.Contains(out, word) {
			t.Errorf("the log does not have %q:\n%s", word, out)
		}
	}
	if n := strings.Count(out, "linux/amd64 2/2] RUN head -c 8 /dev/urandom"); n == 0 {
		t.Errorf("the base is not shown:\n%s", out)
	}
	image := s.index("v1", "linux/amd64", "linux/arm64")
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	var metadata map[string]struct {
		Digest string `json:"containerimage.digest"`
	}
	if err := json.Unmarshal([]byte(s.ok("cat metadata.json")), &metadata); err != nil {
		t.Fatal(err)
	}
	want(t, "the digest in the metadata", metadata["app"].Digest, digest.String())
	if _, ok := metadata["base"]; ok {
		t.Error("the metadata has a target that only others need")
	}
	want(t, "a file of the context", s.ok("cat out/linux_arm64/file.txt"), "of the context\n")

	// The base of the image is the one that the other target was made of.
	for _, platform := range []string{"amd64", "arm64"} {
		s.ok("rm -rf image && slipway build --platform linux/" + platform + " -o image - <<'EOF'\nFROM " + s.tag("v1") + "\nEOF")
		want(t, "what the base has drawn for "+platform, s.ok("cat image/drawn"), s.ok("cat out/linux_"+platform+"/drawn"))
		want(t, "what the base's variable has made for "+platform, s.ok("cat image/made"), "yes\n")
	}

	// The first failure ends the others, or does not.
	s.fails(1, "slipway bake --set '*.platform=linux/amd64' broken slow", "target broken: RUN sleep 1; exit 7", "exit code: 7")
	s.fails(1, "rm -rf kept && slipway bake --keep-going --set '*.platform=linux/amd64' --metadata-file kept.json broken slow", "target broken: ")
	want(t, "what was built beside a failure", s.ok("cat kept/slow"), "slow\n")
	s.ok("grep '\"slow\"' kept.json")
}
