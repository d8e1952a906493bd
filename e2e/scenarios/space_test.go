package scenarios

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	pathpkg "path"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/slipway-build/slipway/e2e/kubectl"
	"github.com/slipway-build/slipway/e2e/podshell"
	"github.com/slipway-build/slipway/e2e/testbed/state"
	"github.com/slipway-build/slipway/e2e/yardstick"
)

// patience bounds every wait of a scenario for a state of the cluster, on this
// machine as it is.
var patience = yardstick.Scale(3 * time.Minute)

// space is a namespace of one scenario's own, with a service account "agent".
type space struct {
	kubectl.Namespace
	t      *testing.T
	timing *timing
}

// spaces are the namespaces of all scenarios. What runs in one ends with its
// scenario; the rest goes at the end, because the deletion of a namespace costs
// the cluster as much as a small scenario.
var spaces namespaces

type namespaces struct {
	sync.Mutex
	all []kubectl.Namespace
}

func (n *namespaces) add(one kubectl.Namespace) {
	n.Lock()
	defer n.Unlock()
	n.all = append(n.all, one)
}

// remove has all of them deleted.
func (n *namespaces) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n.Lock()
	defer n.Unlock()
	var failed error
	for _, one := range n.all {
		failed = errors.Join(failed, one.Delete(ctx))
	}
	return failed
}

// newSpace makes a namespace, and ends what runs in it after the test. The rights of the
// service account are those of the named roles of the demo: "slipway-build",
// "slipway-manage".
func newSpace(t *testing.T, roles ...string) *space {
	t.Helper()
	bed, err := state.Load()
	if err != nil {
		t.Fatal(err)
	}
	base := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	name := fmt.Sprintf("%.40s-%d", base, time.Now().UnixNano()%1e6)
	s := &space{Namespace: kubectl.Namespace{Bed: bed, Name: name}, t: t, timing: timings.begin(t)}
	// All in one go, for every kubectl costs as much as a small build.
	objects := fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: %s}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: agent}
`, name)
	for _, role := range roles {
		objects += fmt.Sprintf(`---
%[1]s
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[2]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: %[2]s}
subjects: [{kind: ServiceAccount, name: agent, namespace: %[3]s}]
`, demoRole(t, role), role, name)
	}
	t.Cleanup(func() {
		if t.Failed() {
			s.explain()
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	spaces.add(s.Namespace)
	s.kubectl(objects, "create", "-f", "-")
	return s
}

// explain prints what the namespace looked like when a scenario failed.
func (s *space) explain() {
	for _, args := range [][]string{{"get", "deployments,statefulsets,pods", "-o", "wide"}, {"get", "events", "--sort-by=.lastTimestamp"}} {
		out, err := s.Run(context.Background(), "", args...)
		s.t.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// kubectl runs kubectl, which must succeed, and returns what it prints.
func (s *space) kubectl(stdin string, args ...string) string {
	s.t.Helper()
	if args[0] == "wait" || args[0] == "rollout" {
		defer timings.waiting(s.timing, strings.Join(args[:min(len(args), 3)], " "))()
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	out, err := s.Run(ctx, stdin, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// names lists objects of a kind, "deployment.apps/builder-amd64".
func (s *space) names(kind string, more ...string) []string {
	s.t.Helper()
	return strings.Fields(s.kubectl("", append([]string{"get", kind, "-o", "name"}, more...)...))
}

// node is one node of a definition as a scenario writes it.
type node struct {
	Name       string
	Platforms  []map[string]string
	DriverOpts map[string]string
	Flags      []string          `json:",omitempty"`
	Files      map[string][]byte `json:",omitempty"`
	Slipway    map[string]any    `json:",omitempty"`
}

// builderNode is a node for one architecture, pinned to cluster nodes of it.
func (s *space) builderNode(arch string, opts ...string) node {
	n := node{
		Name:      "builder-" + arch,
		Platforms: []map[string]string{{"os": "linux", "architecture": arch}},
		DriverOpts: map[string]string{
			"image":        s.Bed.Images.BuildKit,
			"namespace":    s.Name,
			"nodeselector": "kubernetes.io/arch=" + arch,
		},
	}
	if yardstick.Factor() > 1 {
		// A machine that is slower needs more than the default.
		n.DriverOpts["timeout"] = patience.String()
	}
	for _, opt := range opts {
		key, value, _ := strings.Cut(opt, "=")
		n.DriverOpts[key] = value
	}
	return n
}

// define writes the definition of builder "kube" into the ConfigMap "builders" that agents mount.
func (s *space) define(nodes ...node) {
	s.t.Helper()
	raw, err := json.Marshal(map[string]any{"Name": "kube", "Driver": "kubernetes", "Nodes": nodes, "Dynamic": false})
	if err != nil {
		s.t.Fatal(err)
	}
	s.defineRaw(map[string]string{"kube": string(raw)})
}

func (s *space) defineRaw(files map[string]string) {
	s.t.Helper()
	raw, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]string{"name": "builders"},
		"data":     files,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.kubectl(string(raw), "create", "-f", "-")
}

// agent is a pod as a CI system starts it.
type agent struct {
	*space
	pod string
	// shellIP is the pod's, where it runs the scripts of package podshell; empty
	// where they come by exec.
	shellIP string
}

// startAgent starts an agent pod with the ConfigMap mounted where Slipway looks
// and returns when it runs.
func (s *space) startAgent(name, image string) *agent {
	s.t.Helper()
	return s.startAgentFrom(name, s.agentManifest(name, image))
}

// startAgentFrom is startAgent with a manifest of the scenario's own.
func (s *space) startAgentFrom(name, manifest string) *agent {
	s.t.Helper()
	s.kubectl(manifest, "create", "-f", "-")
	a := &agent{space: s, pod: name}
	ready := s.awaitReady(name)
	if runner := s.Bed.Images.PodShell; runner != "" && strings.Contains(manifest, runner) {
		a.shellIP, _, _ = unstructured.NestedString(ready.Object, "status", "podIP")
	}
	if path := os.Getenv(otherBinary); path != "" {
		program, err := os.ReadFile(path)
		if err != nil {
			s.t.Fatal(err)
		}
		a.write("/tmp/slipway", string(program))
		a.ok("cat /tmp/slipway > $(command -v slipway) && rm /tmp/slipway")
	}
	return a
}

// awaitReady waits until a pod is ready and returns it.
func (s *space) awaitReady(pod string) *unstructured.Unstructured {
	s.t.Helper()
	defer timings.waiting(s.timing, "wait pod/"+pod+" --for=condition=Ready")()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	ready, err := s.AwaitReady(ctx, pod)
	if err != nil {
		s.t.Fatal(err)
	}
	return ready
}

// otherBinary names a slipway that takes the place of the one in the agents'
// image: a scenario is seen to fail with a binary that lacks what it tests.
const otherBinary = "SLIPWAY_UNDER_TEST"

// agentManifest is an agent's pod. It waits for scripts, or for ever where its
// image has no program for them.
func (s *space) agentManifest(name, image string) string {
	command := "sleep, infinity"
	if images := s.Bed.Images; images.PodShell != "" && (image == images.Agent || image == images.Peer) {
		command = images.PodShell
	}
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  serviceAccountName: agent
  terminationGracePeriodSeconds: 0
  containers:
    - name: agent
      image: %s
      command: [%s]
      workingDir: /workspace
      volumeMounts:
        - {name: builders, mountPath: /etc/slipway/definitions, readOnly: true}
        - {name: workspace, mountPath: /workspace}
  volumes:
    - {name: builders, configMap: {name: builders}}
    - {name: workspace, emptyDir: {}}
`, name, image, command)
}

// result is how a command in an agent ended.
type result struct {
	stdout, stderr string
	code           int
	took           time.Duration
}

// sh runs a shell script in the agent's workspace.
func (a *agent) sh(script string) result {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 2*patience)
	defer cancel()
	began := time.Now()
	r, err := a.run(ctx, script)
	if err != nil {
		a.t.Fatalf("%s: %v\n%s%s", script, err, r.Stdout, r.Stderr)
	}
	return result{stdout: r.Stdout, stderr: r.Stderr, code: r.Code, took: time.Since(began)}
}

// run runs a script in the agent's workspace. One that fails is a result, not an
// error.
func (a *agent) run(ctx context.Context, script string) (kubectl.Result, error) {
	if a.shellIP == "" {
		return a.Shell(ctx, a.pod, script)
	}
	var stdout, stderr bytes.Buffer
	code, err := podshell.Run(ctx, a.shellIP, script, nil, &stdout, &stderr)
	return kubectl.Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: code}, err
}

// ownTimeout is the driver-opt with how long builds of a scenario wait for pods.
// It ends before the scenario's own patience with a command does.
func ownTimeout() string { return "timeout=" + patience.String() }

// beforeTimeout fails the test unless a command with ownTimeout gave up for a
// reason, which takes a part of that time only.
func (r result) beforeTimeout(t *testing.T) {
	t.Helper()
	if r.took > patience*3/4 {
		t.Errorf("it took %s of %s to give up: that is the timeout, not the reason", r.took, patience)
	}
}

// ok runs a script that must succeed and returns its standard output.
func (a *agent) ok(script string) string {
	a.t.Helper()
	r := a.sh(script)
	if r.code != 0 {
		a.t.Fatalf("%s: exit %d after %s\n%s%s", script, r.code, r.took.Round(time.Millisecond), r.stdout, r.stderr)
	}
	return r.stdout
}

// fails runs a script that must exit with the code and whose standard error
// must hold all the words.
func (a *agent) fails(code int, script string, words ...string) result {
	a.t.Helper()
	r := a.sh(script)
	if r.code != code {
		a.t.Errorf("%s: exit %d, want %d", script, r.code, code)
	}
	for _, w := range words {
		if !strings.Contains(r.stderr, w) {
			a.t.Errorf("%s: standard error lacks %q", script, w)
		}
	}
	if a.t.Failed() {
		a.t.Fatalf("output after %s:\n%s%s", r.took.Round(time.Millisecond), r.stdout, r.stderr)
	}
	return r
}

// write makes a file in the agent's workspace, directories included.
func (a *agent) write(path, content string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	if a.shellIP == "" {
		if err := a.WriteFile(ctx, a.pod, path, content); err != nil {
			a.t.Fatal(err)
		}
		return
	}
	var stderr bytes.Buffer
	script := fmt.Sprintf("mkdir -p %q && cat > %q", pathpkg.Dir(path), path)
	code, err := podshell.Run(ctx, a.shellIP, script, []byte(content), io.Discard, &stderr)
	if err != nil || code != 0 {
		a.t.Fatalf("write %s in pod %s: exit code %d, %v: %s", path, a.pod, code, err, &stderr)
	}
}

// want fails the test unless got is what it must be.
func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %q, want %q", what, got, want)
	}
}

// kubectlCleanup runs kubectl after the test, whose context is over then.
func (s *space) kubectlCleanup(args ...string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := s.Run(ctx, "", args...); err != nil {
		s.t.Error(err)
	}
}

// until waits in the agent until a shell command succeeds. One command does all
// the waiting: a kubectl for each look would take more of the machine than what
// is waited for.
func (a *agent) until(what, command string) {
	a.t.Helper()
	defer timings.waiting(a.timing, what)()
	looks := int(patience / (200 * time.Millisecond))
	r := a.sh(fmt.Sprintf("i=0; until %s; do i=$((i+1)); [ $i -lt %d ] || exit 1; sleep 0.2; done", command, looks))
	if r.code != 0 {
		a.t.Errorf("not within %s: %s\n%s", patience, what, r.stderr)
	}
}

// eventually polls until the condition holds; what it polls has no watch.
func (s *space) eventually(what string, holds func() bool) {
	s.t.Helper()
	defer timings.waiting(s.timing, what)()
	// Each look costs as much of the machine as a small build.
	tick := time.NewTicker(400 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if holds() {
			return
		}
	}
	s.t.Errorf("not within %s: %s", patience, what)
}

// scan reads numbers from a command's output.
func scan(t *testing.T, text string, into ...any) {
	t.Helper()
	if _, err := fmt.Sscan(text, into...); err != nil {
		t.Fatalf("read %q: %v", text, err)
	}
}
