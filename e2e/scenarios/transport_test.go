package scenarios

import (
	"strings"
	"testing"
)

// transportOf is the transport that a build says in its debug log.
func transportOf(t *testing.T, r result) string {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("exit %d after %s:\n%s", r.code, r.took, r.stderr)
	}
	for _, word := range strings.Fields(r.stderr) {
		if name, ok := strings.CutPrefix(word, "transport="); ok {
			return name
		}
	}
	t.Fatalf("the log names no transport:\n%s", r.stderr)
	return ""
}

const debugBuild = "slipway build --debug --progress plain -o out . "

func TestDirectIsTheDefault(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	r := a.sh(debugBuild)
	want(t, "transport of the build that makes the builder", transportOf(t, r), "direct")
	t.Log(r.stderr)
	r = a.sh(debugBuild)
	want(t, "transport of the second", transportOf(t, r), "direct")
	t.Log(r.took, r.stderr)
	for _, name := range []string{"portforward", "exec"} {
		r = a.sh(debugBuild + "--transport " + name)
		want(t, "transport", transportOf(t, r), name)
		t.Log(r.took, r.stderr)
	}
}
