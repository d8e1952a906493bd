package scenarios

import (
	"fmt"
	"testing"
)

// Tests start in the order of their files. One of these takes three minutes and
// next to nothing of the machine, so it starts first: at the end, everybody
// would wait for it.

func TestTokenOfAMinuteEndsDuringTheBuild(t *testing.T) {
	t.Parallel()
	outlivesItsToken(t, "minute", 60)
}

func TestTokenOfFiveSecondsEndsDuringTheBuild(t *testing.T) {
	t.Parallel()
	outlivesItsToken(t, "brief", 5)
}

// outlivesItsToken builds as a user whose tokens live for some seconds, for
// three times as long: the base image is pulled with a token that has ended when
// the push begins.
func outlivesItsToken(t *testing.T, user string, seconds int) {
	t.Helper()
	b := bed(t)
	r := b.TokenRegistry
	s := newStranger(t, b.Images.Agent, r, r)
	u, ok := r.User(user)
	if !ok {
		t.Fatalf("the testbed has no user %s", user)
	}
	s.write("/tmp/login", fmt.Sprintf("export REGISTRY_USERNAME=%s REGISTRY_PASSWORD=%s\n", u.Username, u.Password))
	s.write("Dockerfile", machineDockerfile+fmt.Sprintf("RUN sleep %d\n", 3*seconds))
	s.ok(". /tmp/login && slipway build " + both + "--build-arg BASE=" + r.Base + " -t " + s.tag("late") + " --push .")
	s.index("late", "linux/amd64", "linux/arm64")
}
