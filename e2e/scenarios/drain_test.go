package scenarios

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
)

// cordoned is held while a cluster node takes no pods, and shared by those who
// tell what the cluster nodes are like.
var cordoned sync.RWMutex

// TestBuildsOutliveTheirPods asks a builder's pod to stop in each way that
// Kubernetes has, while builds run on it, over each transport: they go on to
// their end, what begins meanwhile lands on another pod, and the old one ends
// with its last build.
func TestBuildsOutliveTheirPods(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64", "labels=drain="+s.Name))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	a.serve()
	a.ok("slipway up >&2")

	pod := a.builderPod()
	var stopped []string
	for _, stop := range []struct {
		name       string
		transports []string
		// begin asks the pod to stop; wait, if there is one, lasts until it has.
		begin func(pod string) (wait func())
	}{
		{"rollout", []string{"direct", "portforward"}, func(string) func() {
			s.kubectl("", "rollout", "restart", "deployment/builder-amd64")
			return nil
		}},
		{"delete", []string{"exec"}, func(pod string) func() {
			s.kubectl("", "delete", "pod", pod, "--wait=false")
			return nil
		}},
		{"drain", []string{"direct", "exec"}, s.drain},
	} {
		var builds []*heldBuild
		for _, transport := range stop.transports {
			builds = append(builds, a.holdBuild(stop.name+"-"+transport, "--transport "+transport))
		}
		for _, b := range builds {
			b.awaitStep()
		}
		wait := stop.begin(pod)
		s.kubectl("", "wait", "pod/"+pod, "--for=jsonpath={.metadata.deletionTimestamp}", "--timeout="+patience.String())
		chosen := a.builds(debugBuild, "direct").values("pod")
		next := chosen[len(chosen)-1] // those before did not answer
		if next == pod {
			t.Errorf("%s: a build that began meanwhile is on %s", stop.name, pod)
		}
		for _, b := range builds {
			want(t, stop.name+": the pod while builds run", strings.Join(s.names("pod", "--field-selector=metadata.name="+pod), " "), "pod/"+pod)
			b.finish(pod)
		}
		if wait != nil {
			wait()
		}
		stopped = append(stopped, "pod/"+pod)
		pod = next
	}
	s.kubectl("", append([]string{"wait", "--for=delete", "--timeout=" + patience.String()}, stopped...)...)
}

// drain begins to drain the cluster node of a pod, of the scenario's own pods
// only, and lets others have the node back as soon as this one has been evicted.
func (s *space) drain(pod string) (wait func()) {
	s.t.Helper()
	cordoned.Lock()
	defer cordoned.Unlock()
	clusterNode := s.kubectl("", "get", "pod", pod, "-o", "jsonpath={.spec.nodeName}")
	defer s.kubectlCleanup("uncordon", clusterNode)
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*patience)
	draining := s.Command(ctx, "drain", clusterNode, "--pod-selector=drain="+s.Name, "--ignore-daemonsets", "--delete-emptydir-data")
	var said bytes.Buffer
	draining.Stdout, draining.Stderr = &said, &said
	if err := draining.Start(); err != nil {
		cancel()
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- draining.Wait() }()
	s.t.Cleanup(cancel)
	s.kubectl("", "wait", "pod/"+pod, "--for=jsonpath={.metadata.deletionTimestamp}", "--timeout="+patience.String())
	return func() {
		s.t.Helper()
		if err := <-ended; err != nil || !strings.Contains(said.String(), "drained") {
			s.t.Errorf("kubectl drain: %v\n%s", err, said.String())
		}
	}
}

// builderPod is the one pod of the builder.
func (a *agent) builderPod() string {
	a.t.Helper()
	pods := a.names("pods", "--selector=app=builder-amd64")
	if len(pods) != 1 {
		a.t.Fatalf("pods of the builder: %v, want one", pods)
	}
	return strings.TrimPrefix(pods[0], "pod/")
}

// heldBuild is a build whose only step waits to be let go.
type heldBuild struct {
	*agent
	name string
}

// answer puts a line where steps of builds ask for it, which must not read half of it.
func (a *agent) answer(name, line string) {
	a.t.Helper()
	a.ok("echo " + line + " > /tmp/answer && mv /tmp/answer /tmp/www/" + name)
}

// serve lets the steps of builds ask this agent.
func (a *agent) serve() {
	a.t.Helper()
	a.ok("mkdir -p /tmp/www && httpd -p 8080 -h /tmp/www")
}

// holdBuild starts a build.
func (a *agent) holdBuild(name, flags string) *heldBuild {
	a.t.Helper()
	ip := strings.TrimSpace(a.kubectl("", "get", "pod", a.pod, "-o", "jsonpath={.status.podIP}"))
	a.write(name+"/Dockerfile", "FROM base AS build\nRUN until wget -q -O /answer http://"+urlHost(ip)+":8080/"+name+" 2>/dev/null; do sleep 0.1; done\nFROM scratch\nCOPY --from=build /answer /\n")
	a.ok("(slipway build --log-level debug --progress plain " + flags + " " + a.base() + "--metadata-file " + name + "/metadata -o " + name + "/out " + name + " > " + name + "/log 2>&1; echo $? > " + name + "/code) < /dev/null > /dev/null 2>&1 &")
	return &heldBuild{agent: a, name: name}
}

// awaitStep returns once the build's step runs.
func (b *heldBuild) awaitStep() {
	b.t.Helper()
	b.until("the step of "+b.name+" runs", "grep -q 'RUN until wget' "+b.name+"/log")
}

// finish lets the build go: it must succeed at the first attempt, on the pod if
// one is named.
func (b *heldBuild) finish(pod string) {
	b.t.Helper()
	want(b.t, "exit code of "+b.name+" before it may end", b.sh("cat "+b.name+"/code").stdout, "")
	b.answer(b.name, b.name)
	b.until("build "+b.name+" ends", "test -s "+b.name+"/code")
	log := b.ok("cat " + b.name + "/log")
	want(b.t, "exit code of "+b.name, b.ok("cat "+b.name+"/code"), "0\n")
	want(b.t, "what "+b.name+" made", b.sh("cat "+b.name+"/out/answer").stdout, b.name+"\n")
	if !strings.Contains(log, " pod="+pod) || strings.Contains(log, "solving again") {
		b.t.Errorf("build %s did not stay on pod %s:\n%s", b.name, pod, log)
	}
}
