package scenarios

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/e2e/registrytest"
	"github.com/slipway-build/slipway/e2e/registrytest/proxy"
)

// heldPod is a pod template whose pods become ready when letGo says so.
func (s *space) heldPod() map[string]any {
	return map[string]any{"spec": map[string]any{"initContainers": []any{map[string]any{
		"name": "hold", "image": s.Bed.Images.Busybox, "command": []string{"sh", "-c", "until test -e /tmp/go; do sleep 0.2; done"},
	}}}}
}

// holds waits until the newest pod of the builder is held.
func (s *space) holds() (pod string) {
	s.t.Helper()
	s.eventually("a pod of the builder is held", func() bool {
		out, err := s.Run(s.t.Context(), "", "get", "pods", "--selector=app=builder-amd64", "--sort-by=.metadata.creationTimestamp",
			"-o", `jsonpath={range .items[*]}{.metadata.name} {.status.initContainerStatuses[0].started}{"\n"}{end}`)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		name, started, _ := strings.Cut(lines[len(lines)-1], " ")
		pod = name
		return err == nil && started == "true"
	})
	return pod
}

func (s *space) letGo(pod string) {
	s.t.Helper()
	s.kubectl("", "exec", pod, "--container=hold", "--", "touch", "/tmp/go")
}

// identityDir is where a kubelet mounts the token of a service account.
const identityDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// startAgentWithIdentity starts an agent whose service account's token is
// written by the test: a kubelet renews none before eight minutes. rotate writes
// a new one, and returns when the API server does not accept the old one any
// more, which is more than a kubelet does.
func (s *space) startAgentWithIdentity(name string) (a *agent, rotate func()) {
	s.t.Helper()
	manifest := strings.NewReplacer(
		"spec:\n", "spec:\n  automountServiceAccountToken: false\n",
		"volumeMounts:\n", "volumeMounts:\n        - {name: identity, mountPath: "+identityDir+"}\n",
		"volumes:\n", "volumes:\n    - {name: identity, emptyDir: {medium: Memory}}\n",
	).Replace(s.agentManifest(name, s.Bed.Images.Agent))
	a = s.startAgentFrom(name, manifest)
	s.kubectl("", "wait", "configmap/kube-root-ca.crt", "--for=create", "--timeout="+patience.String())
	a.write(identityDir+"/ca.crt", s.kubectl("", "get", "configmap", "kube-root-ca.crt", "-o", `jsonpath={.data.ca\.crt}`))
	a.write(identityDir+"/namespace", s.Name)

	number, token := 0, ""
	issue := func() {
		s.t.Helper()
		number++
		// A token that is bound to an object ends with it.
		bound := "token-" + strconv.Itoa(number)
		s.kubectl("", "create", "secret", "generic", bound)
		token = strings.TrimSpace(s.kubectl("", "create", "token", "agent", "--bound-object-kind=Secret", "--bound-object-name="+bound))
		a.write(identityDir+"/token.new", token)
		a.ok("mv " + identityDir + "/token.new " + identityDir + "/token")
	}
	issue()
	return a, func() {
		s.t.Helper()
		before, old := "token-"+strconv.Itoa(number), token
		issue()
		s.kubectl("", "delete", "secret", before)
		review, err := json.Marshal(map[string]any{
			"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": map[string]string{"token": old},
		})
		if err != nil {
			s.t.Fatal(err)
		}
		s.eventually("the old token is refused", func() bool {
			return s.kubectl(string(review), "create", "-f", "-", "-o", "jsonpath={.status.authenticated}") != "true"
		})
	}
}

// pushing lets the builders and the agent push through a proxy.
func (s *space) pushing(nodes ...node) *proxy.Proxy {
	s.t.Helper()
	p := startProxy(s.t)
	files, err := registrytest.BuilderFiles(s.Bed.Registry, p.Registry())
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range nodes {
		nodes[i].Files = files
	}
	s.define(nodes...)
	return p
}

// mayPush gives an agent the registry's credentials.
func (a *agent) mayPush(p *proxy.Proxy) {
	a.t.Helper()
	config, err := registrytest.DockerConfigFor(a.Bed.Registry, p.Registry())
	if err != nil {
		a.t.Fatal(err)
	}
	a.write("/root/.docker/config.json", config)
}

// holdPush starts a build for both platforms and returns when its tag is about
// to be set, which release does.
func (a *agent) holdPush(p *proxy.Proxy, prefix string) (release func()) {
	a.t.Helper()
	held := make(chan struct{})
	tag := manifestOf("held")
	p.Add(proxy.Rule{Method: http.MethodPut, Path: tag, Fault: proxy.Hold(held)})
	reference := p.Registry().Address + "/" + a.Name + ":held"
	a.write("push/Dockerfile", smallDockerfile)
	a.background(prefix, "slipway build --debug --progress plain "+both+"-t "+reference+" --push push")
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	if err := p.Await(ctx, http.MethodPut, tag, 1); err != nil {
		a.t.Fatalf("%v\n%s", err, a.sh("cat "+prefix+"log").stdout)
	}
	return func() { p.Clear(); close(held) }
}

// pushed checks that the tag of holdPush is there, for both platforms.
func (f *planted) pushed(a *agent) {
	f.t.Helper()
	images, err := registrytest.New(a.Bed.Registry)
	if err != nil {
		f.t.Fatal(err)
	}
	defer images.Close()
	_, amd64 := images.Image(f.t.Context(), a.Name+":held", "linux/amd64")
	_, arm64 := images.Image(f.t.Context(), a.Name+":held", "linux/arm64")
	f.held(halfMovedTag, amd64 == nil && arm64 == nil, "%v; %v", amd64, arm64)
}

// TestFaultTokenIsRotated renews the token of the agent's service account at
// each moment of a build. The old one is not valid any more at once.
func TestFaultTokenIsRotated(t *testing.T) {
	long(t)
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("amd64")
	n.Slipway = map[string]any{"podTemplate": s.heldPod()}
	p := s.pushing(n, s.builderNode("arm64"))
	a, rotate := s.startAgentWithIdentity("agent")
	a.serve()
	a.mayPush(p)

	f := plant(t, "cluster", "the token is renewed while a build waits for a pod")
	a.write("wait/Dockerfile", smallDockerfile)
	// What exec asks the API server for comes after the wait.
	a.background("wait.", "slipway build --debug --progress plain --platform linux/amd64 --transport exec -o wait-out wait")
	pod := s.holds()
	rotate()
	s.letGo(pod)
	f.survived(f.ends(a, "wait."))
	f.held(partialOutput, a.sh("cmp wait/Dockerfile wait-out/Dockerfile").code == 0, "the output is not what it must be")

	var rows []*planted
	var builds []*heldBuild
	for _, transport := range []string{"direct", "portforward", "exec"} {
		rows = append(rows, plant(t, "cluster", "the token is renewed in mid-build, "+transport))
		builds = append(builds, a.holdBuild(transport, "--platform linux/amd64 --transport "+transport))
	}
	for _, b := range builds {
		b.awaitStep()
	}
	rotate()
	for i, b := range builds {
		b.finish("")
		rows[i].survived(rows[i].ends(a, b.name+"/"))
	}

	f = plant(t, "cluster", "the token is renewed before a builder is lost")
	b := a.holdBuild("lost", "--platform linux/amd64")
	b.awaitStep()
	rotate()
	s.kubectl("", "delete", "pod", pod, "--grace-period=0", "--force")
	a.until("the builder is lost", "grep -q 'solving again (2 of 3)' lost/log")
	s.letGo(s.holds())
	a.answer("lost", "lost")
	r := f.ends(a, "lost/")
	f.survived(r)
	if !strings.Contains(r.stderr, "solving again (2 of 3)") {
		t.Errorf("the builder was not lost:\n%s", r.stderr)
	}

	f = plant(t, "cluster", "the token is renewed while a tag is set")
	release := a.holdPush(p, "push.")
	rotate()
	release()
	f.survived(f.ends(a, "push."))
	f.pushed(a)
}

// testbed runs a command of the testbed.
func (s *space) testbed(args ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", append([]string{"run", "./testbed"}, args...)...)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("testbed %q: %v\n%s", args, err, out)
	}
}

// TestFaultAPIServerIsRestarted ends the API server under builds and starts it
// again. No other scenario runs meanwhile.
func TestFaultAPIServerIsRestarted(t *testing.T) {
	long(t)
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("amd64")
	n.Slipway = map[string]any{"podTemplate": s.heldPod()}
	p := s.pushing(n, s.builderNode("arm64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.serve()
	a.mayPush(p)
	restart := func() { s.testbed("restart", "kube-apiserver") }

	f := plant(t, "cluster", "the API server is restarted while a build waits for a pod")
	a.write("wait/Dockerfile", smallDockerfile)
	a.background("wait.", "slipway build --debug --progress plain --platform linux/amd64 -o wait-out wait")
	pod := s.holds()
	restart()
	s.letGo(pod)
	f.survived(f.ends(a, "wait."))

	for _, transport := range []string{"direct", "portforward", "exec"} {
		f := plant(t, "cluster", "the API server is restarted in mid-build, "+transport)
		a.holdBuild(transport, "--platform linux/amd64 --transport "+transport).awaitStep()
		restart()
		a.answer(transport, "done")
		r := f.ends(a, transport+"/")
		f.survived(r)
		want(t, "what the build made", a.sh("cat "+transport+"/out/answer").stdout, "done\n")
		if lost := strings.Contains(r.stderr, "solving again (2 of 3)"); lost != (transport != "direct") {
			t.Errorf("%s: builder lost: %t:\n%s", transport, lost, r.stderr)
		}
	}

	f = plant(t, "cluster", "the API server is restarted while a tag is set")
	release := a.holdPush(p, "push.")
	restart()
	release()
	f.survived(f.ends(a, "push."))
	f.pushed(a)
}

// TestFaultClocksAnHourOff has certificates of an agent whose clock is off by
// an hour and more. The clock of a process cannot be shifted (time namespaces
// have none for the wall clock), so what it would have written is.
func TestFaultClocksAnHourOff(t *testing.T) {
	t.Parallel()
	a, skewed := startWithSkewedClock(t)
	for _, skew := range []time.Duration{time.Hour, -time.Hour, 2 * time.Hour} {
		f := plant(t, "cluster", fmt.Sprintf("the clock of who made the certificates is %s ahead", skew))
		skewed(skew)
		if skew <= time.Hour {
			r := f.run(a, debugBuild)
			f.survived(r)
			want(t, "transport", strings.Join(r.values("transport"), " "), "direct")
			continue
		}
		// No transport without certificates makes up for it.
		r := f.run(a, "slipway build --debug --progress plain -o no .")
		f.explained(r, 3, "error: ", "is not valid before", "the clock here says", "hint: ")
		if strings.Contains(r.stderr, "transport=exec") {
			t.Errorf("it goes on without certificates:\n%s", r.stderr)
		}
		f.held(partialOutput, a.sh("ls -A | grep -e staging -e '^no$'").stdout == "", "something of the output is there")
	}
}

// TestFaultBuilderWithoutRoom builds on a builder whose disk has 64 MiB.
func TestFaultBuilderWithoutRoom(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("amd64")
	n.Slipway = map[string]any{"podTemplate": map[string]any{"spec": map[string]any{
		"volumes":    []any{map[string]any{"name": "small", "emptyDir": map[string]any{"medium": "Memory", "sizeLimit": "64Mi"}}},
		"containers": []any{map[string]any{"name": "buildkitd", "volumeMounts": []any{map[string]any{"name": "small", "mountPath": "/var/lib/buildkit"}}}},
	}}}
	s.define(n)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.ok("slipway up >&2")
	nothing := func(f *planted) {
		t.Helper()
		f.held(partialOutput, a.sh("ls -A | grep -e staging -e '^no$'").stdout == "", "something of the output is there")
	}

	small := func(f *planted) {
		t.Helper()
		f.survived(f.run(a, "rm -rf out; slipway build -o out ."))
		f.held(partialOutput, a.sh("cmp Dockerfile out/Dockerfile").code == 0, "the output is not what it must be")
	}
	a.write("Dockerfile", smallDockerfile)

	f := plant(t, "cluster", "a builder's disk is full: a step writes too much")
	a.write("step/Dockerfile", "FROM base\nRUN head -c 100000000 /dev/urandom > /file\n")
	f.explained(f.run(a, "slipway build --progress plain "+a.base()+"-o no step"), 1, "error: ", "head: standard output: ", ">>> RUN head -c 100000000")
	nothing(f)

	f = plant(t, "cluster", "a builder's disk was full: a step wrote too much")
	// buildkitd keeps what the step wrote until it collects garbage.
	f.survived(f.run(a, "slipway prune --force >&2"))
	small(f)

	f = plant(t, "cluster", "a builder's disk is full: the context does not fit")
	a.ok("mkdir large && head -c 100000000 /dev/urandom > large/file && printf 'FROM scratch\\nCOPY file /\\n' > large/Dockerfile")
	f.explained(f.run(a, "slipway build -o no large"), 3, "error: ", "no space left on device", "hint: ", "the disk of the builder")
	nothing(f)

	// buildkitd cannot even write down that it has removed something.
	f = plant(t, "cluster", "a builder's disk is full: its cache is pruned")
	f.explained(f.run(a, "slipway prune --force"), 3, "error: ", "no space left on device")

	f = plant(t, "cluster", "a builder's disk was full: it has a new pod")
	s.kubectl("", "delete", "pods", "--selector=app=builder-amd64", "--grace-period=0", "--force")
	small(f)
}

// processes are those of a pod that have the name, or all of them.
func (s *space) processes(pod, name string) []*os.Process {
	s.t.Helper()
	uid := s.kubectl("", "get", "pod", pod, "-o", "jsonpath={.metadata.uid}")
	root := "/sys/fs/cgroup/pids" // one of those of cgroup v1 that list all
	if _, err := os.Stat(root); err != nil {
		root = "/sys/fs/cgroup"
	}
	var found []*os.Process
	// A cgroup that goes while it is walked is as good as one that went before.
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "cgroup.procs" || !strings.Contains(path, "/pod"+uid+"/") {
			return nil
		}
		pids, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		for field := range strings.FieldsSeq(string(pids)) {
			pid, err := strconv.Atoi(field)
			if err != nil || pid <= 0 {
				continue
			}
			process, err := os.FindProcess(pid)
			if err != nil {
				continue
			}
			comm, err := os.ReadFile("/proc/" + field + "/comm")
			if err == nil && (name == "" || strings.TrimSpace(string(comm)) == name) {
				found = append(found, process)
			}
		}
		return nil
	})
	return found
}

// TestFaultClusterNodeIsGone ends the kubelet and the containerd of a cluster
// node in mid-build, and all that runs in the builder. No other scenario runs
// meanwhile.
func TestFaultClusterNodeIsGone(t *testing.T) {
	long(t)
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("arm64"))
	a := s.startAgentFrom("agent", strings.Replace(s.agentManifest("agent", s.Bed.Images.Agent),
		"spec:\n", "spec:\n  nodeSelector: {kubernetes.io/arch: amd64}\n", 1))
	a.serve()
	a.ok("slipway up >&2")
	daemons := []string{"kubelet-node2", "containerd-node2"}
	t.Cleanup(func() { s.testbed(append([]string{"restart"}, daemons...)...) })

	f := plant(t, "cluster", "the builder's cluster node is gone in mid-build")
	a.holdBuild("gone", "").awaitStep()
	pod := strings.TrimPrefix(s.names("pods", "--selector=app=builder-arm64")[0], "pod/")
	processes := s.processes(pod, "")
	if len(processes) == 0 {
		t.Fatal("the builder has no processes")
	}
	s.testbed(append([]string{"kill"}, daemons...)...)
	for _, process := range processes {
		_ = process.Kill() // it may have ended with another
	}
	r := f.ends(a, "gone/")
	f.explained(r, 3, "builder lost", "solving again", "error: ", pod, "hint: ")
	f.held(partialOutput, a.sh("ls -A gone | grep -e out -e staging").stdout == "", "something of the output is there")

	f = plant(t, "cluster", "the builder's cluster node has come back")
	s.testbed(append([]string{"restart"}, daemons...)...)
	a.write("Dockerfile", smallDockerfile)
	s.eventually("the builder is ready again", func() bool { return a.sh("slipway build -o out .").code == 0 })
	f.survived(f.run(a, "slipway build -o out ."))
}
