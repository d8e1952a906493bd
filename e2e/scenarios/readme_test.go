package scenarios

import (
	"regexp"
	"testing"
)

// TestThePipelineOfTheReadme runs the shell step of the pipeline that the
// README shows, as it stands there.
func TestThePipelineOfTheReadme(t *testing.T) {
	t.Parallel()
	step := regexp.MustCompile(`(?m)^\s*sh '(slipway [^']+)'$`).FindStringSubmatch(readFile(t, "../README.md"))
	if step == nil {
		t.Fatal("the README's pipeline has no step that runs slipway")
	}
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"), s.builderNode("arm64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /made-for\n")
	a.ok("echo amd64 > amd64; echo arm64 > arm64")
	a.ok(step[1])
	want(t, "results", a.ok("cat out/linux_amd64/made-for out/linux_arm64/made-for"), "amd64\narm64\n")
}
