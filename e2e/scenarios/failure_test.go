package scenarios

import (
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/e2e/yardstick"
)

// smallDockerfile needs no base image.
const smallDockerfile = "FROM scratch\nCOPY Dockerfile /\n"

func TestNoClusterNodeOfThatArchitecture(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("s390x", ownTimeout())
	n.Slipway = map[string]any{"unschedulableGrace": "3s"}
	s.define(n)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	r := a.fails(3, "slipway build --platform linux/s390x -o out .",
		"error: ", "builder-s390x", "didn't match Pod's node affinity/selector")
	r.beforeTimeout(t)
	a.ok("test ! -e out")
}

func TestWrongImage(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64", "image=127.0.0.1:9/no/such:image", ownTimeout()))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	r := a.fails(3, "slipway build -o out .", "error: ", "ImagePullBackOff", "127.0.0.1:9/no/such:image")
	r.beforeTimeout(t)
}

func TestSIGTERMWhileWaitingForABuilder(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("s390x")
	n.Slipway = map[string]any{"unschedulableGrace": "100s"}
	s.define(n)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	a.terminate("slipway build --progress plain --platform linux/s390x -o out .", "affinity")
}

// terminate runs a command, sends it SIGTERM when its log, the file log, has a
// line that matches, and wants it gone within 5 seconds, saying why.
func (a *agent) terminate(command, when string) {
	a.t.Helper()
	r := a.sh(command + ` 2>log & pid=$!
until grep -q '` + when + `' log; do kill -0 $pid || break; sleep 0.1; done
date +%s > began; kill -TERM $pid; wait $pid; code=$?
echo $code $(( $(date +%s) - $(cat began) )); cat log >&2`)
	var code, seconds int
	scan(a.t, r.stdout, &code, &seconds)
	if limit := yardstick.Scale(5 * time.Second).Seconds(); code != 143 || float64(seconds) > limit {
		a.t.Errorf("exit %d after %d s, want 143 within %.0f:\n%s", code, seconds, limit, r.stderr)
	}
	if !strings.Contains(r.stderr, "error: cancelled by SIGTERM") {
		a.t.Errorf("the log does not say why it ended:\n%s", r.stderr)
	}
}

// TestServiceAccountWithoutRights pastes what an error or the doctor ends with: one
// round is enough for each kind of command, from no right at all.
func TestServiceAccountWithoutRights(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	const build = "slipway build -o out . && cmp Dockerfile out/Dockerfile"
	refused := func(command string) string {
		t.Helper()
		r := a.fails(3, command, "error: ", "hint: ", "kind: Role", "kind: RoleBinding", "system:serviceaccount:"+s.Name+":agent")
		_, roles, found := strings.Cut(r.stderr, "with kubectl apply -f - and this:\n")
		if !found || strings.Contains(roles, "hint: ") {
			t.Fatalf("the error does not end with what is to be pasted:\n%s", r.stderr)
		}
		return roles
	}
	forget := func() {
		t.Helper()
		s.kubectl("", "delete", "rolebindings,roles", "--all")
	}

	// A command that only looks gets no right to create.
	roles := refused("slipway du")
	if strings.Contains(roles, "slipway-manage") {
		t.Errorf("roles of du:\n%s", roles)
	}
	s.kubectl(roles, "apply", "-f", "-")
	a.fails(3, "slipway du", "no pod of builder")

	forget()
	s.kubectl(a.ok("slipway doctor --rbac"), "apply", "-f", "-")
	a.ok(build)

	forget()
	s.kubectl("", "delete", "deployments,secrets,configmaps", "--selector=app")
	s.kubectl(refused("slipway build -o out ."), "apply", "-f", "-")
	a.ok(build)

	forget()
	s.kubectl(refused("slipway up"), "apply", "-f", "-")
	a.ok("slipway up >&2")
	for _, command := range []string{"du", "logs", "inspect", "ls"} {
		a.ok("slipway " + command + " >&2")
	}

	forget()
	s.kubectl(refused("slipway rm --force kube"), "apply", "-f", "-")
	a.ok("slipway rm --force kube >&2")
}

func TestBuildRoleAloneUsesWhatRuns(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	a.fails(3, "slipway build -o out .", "error: ", "create", "deployments")
	want(t, "deployments", strings.Join(s.names("deployments"), " "), "")

	s.kubectl(demoRole(t, "slipway-manage"), "create", "-f", "-")
	s.kubectl("", "create", "rolebinding", "manage", "--role=slipway-manage", "--serviceaccount="+s.Name+":agent")
	a.ok("slipway up >&2")
	s.kubectl("", "delete", "rolebinding", "manage")
	a.ok("slipway build -o out . && cmp Dockerfile out/Dockerfile")
}

func TestAPodThatGoesAwayIsNotUsed(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64", "replicas=2"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	a.ok("slipway up >&2")
	s.kubectl("", "rollout", "status", "deployment/builder-amd64", "--timeout="+patience.String())

	// The first build shows which pod the choice sticks to.
	chosen := func() string {
		r := a.sh("slipway build --log-level debug --progress plain -o out .")
		if r.code != 0 {
			t.Fatalf("exit %d:\n%s", r.code, r.stderr)
		}
		for _, word := range strings.Fields(r.stderr) {
			if pod, ok := strings.CutPrefix(word, "pod="); ok {
				return pod
			}
		}
		t.Fatalf("the log names no pod:\n%s", r.stderr)
		return ""
	}
	first := chosen()
	want(t, "second choice", chosen(), first)
	// It is asked to go and stays for its grace period: ready, but leaving.
	s.kubectl("", "delete", "pod", first, "--wait=false", "--grace-period=30")
	if second := chosen(); second == first {
		t.Errorf("the build went to %s, which is terminating", second)
	}
	// And one that is gone with no time for goodbyes.
	third := chosen()
	s.kubectl("", "delete", "pod", third, "--wait=false", "--grace-period=0", "--force")
	if fourth := chosen(); fourth == third {
		t.Errorf("the build went to %s, which is gone", fourth)
	}
}

func TestFailingDockerfile(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"), s.builderNode("arm64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", "FROM base\nRUN echo fine\nRUN echo about to fail && exit 7\n")
	a.fails(1, "slipway build "+both+a.base()+"-o out .",
		"about to fail",
		"   2 |     RUN echo fine\n   3 | >>> RUN echo about to fail && exit 7",
		"exit code: 7", "error: linux/", " on builder-", "64: RUN echo about to fail && exit 7 (Dockerfile:3): exit code: 7\n")
	a.ok("test ! -e out")
	r := a.fails(1, "slipway build --platform linux/amd64 "+a.base()+"-o out .", "   3 | >>> RUN echo about to fail && exit 7")
	if _, message, _ := strings.Cut(r.stderr, "\nerror: "); message != "RUN echo about to fail && exit 7 (Dockerfile:3): exit code: 7\n" {
		t.Errorf("the error for one platform is %q", message)
	}
	// Under docker's names it is BuildKit's.
	a.fails(1, "ln -sf $(command -v slipway) /tmp/docker && /tmp/docker build --platform linux/amd64 "+a.base()+"-o out .",
		"\nERROR: failed to solve: process \"/bin/sh -c echo about to fail && exit 7\" did not complete successfully: exit code: 7\n")

	// A log whose reader has gone changes nothing in how a build ends.
	unread := func(command string) string {
		t.Helper()
		return a.ok("(" + command + "; echo $? >/tmp/code) 2>&1 >/dev/null | head -c 1 >/dev/null; cat /tmp/code")
	}
	want(t, "exit code of a failing build that nobody reads", unread("slipway build --no-cache "+both+a.base()+"-o out ."), "1\n")
	a.write("Dockerfile", "FROM base\nRUN echo fine\n")
	want(t, "exit code of a build that nobody reads", unread("slipway build --no-cache "+both+a.base()+"-o out ."), "0\n")
	a.ok("test -d out && rm -r out")

	a.write("Dockerfile", "FROM base\nRUM echo fine\n")
	a.fails(1, "slipway build "+a.base()+"-o out .", "Dockerfile:2", ">>> RUM echo fine", "unknown instruction: RUM")
	a.write("Dockerfile", "FROM scratch\nCOPY no-such-file /\n")
	a.fails(1, "slipway build -o out .", "error: COPY no-such-file / (Dockerfile:2): no-such-file is not in the build context .", ">>> COPY no-such-file /")
	a.write("Dockerfile", "FROM scratch\nCOPY conf/app.yml /\n")
	a.write("conf/app.yaml", "x")
	a.fails(1, "slipway build -o out .", "error: COPY conf/app.yml / (Dockerfile:2): conf/app.yml is not in the build context .", "hint: did you mean conf/app.yaml?")
	a.write("Dockerfile", "FROM scratch\nCOPY conf/app.yaml /\n")
	a.write(".dockerignore", "# what CI makes\n*.log\nconf\n")
	a.fails(1, "slipway build -o out .", "error: COPY conf/app.yaml / (Dockerfile:2): conf/app.yaml is not in the build context .", "hint: .dockerignore line 3 excludes it: conf;")
}

func TestDefinitionWithThreeMistakes(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64", "replicas=many", "requests.memory=lots", "tolerations=key"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	r := a.fails(2, "slipway build -o out .", "replicas", "requests.memory", "tolerations", "builder-amd64", "/etc/slipway/definitions/kube")
	if got := strings.Count(r.stderr, "error: "); got != 3 {
		t.Errorf("%d error lines, want one for each of 3 mistakes:\n%s", got, r.stderr)
	}
	want(t, "objects", strings.Join(s.names("deployments,statefulsets,pods"), " "), "pod/agent")
}

func TestSIGTERMInTheMiddleOfARun(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", "FROM base\nRUN echo running && sleep 987\n")
	a.terminate("slipway build --progress plain "+a.base()+"-o out .", "running$")
	want(t, "files left", a.ok("ls -A"), "Dockerfile\nbegan\nlog\n")
	// The daemon has ended the step: its process is gone.
	s.eventually("the RUN step ends on the daemon", func() bool {
		return !strings.Contains(s.kubectl("", "exec", "deployment/builder-amd64", "--", "ps", "-o", "args"), "sleep 987")
	})
}

func TestABuilderLostInMidBuildIsReplaced(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", "FROM base AS build\nRUN sleep 6 && echo done > /file\nFROM scratch\nCOPY --from=build /file /\n")
	a.ok("slipway up >&2")
	a.ok("(slipway build --progress plain " + a.base() + "-o out . > log 2>&1; echo $? > code) < /dev/null > /dev/null 2>&1 &")
	a.until("the RUN step starts", "grep -q 'RUN sleep 6' log")
	pod := s.names("pods", "--selector=app=builder-amd64")[0]
	s.kubectl("", "delete", pod, "--grace-period=0", "--force")
	a.until("the build ends", "test -s code")
	log := a.ok("cat log")
	if got := a.sh("cat out/file"); got.stdout != "done\n" {
		t.Errorf("the build did not go on elsewhere:\n%s", log)
	}
	if !strings.Contains(log, strings.TrimPrefix(pod, "pod/")) || !strings.Contains(log, "solving again (2 of 3)") {
		t.Errorf("the log does not say that pod %s was lost:\n%s", pod, log)
	}
}
