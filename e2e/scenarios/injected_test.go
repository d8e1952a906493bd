package scenarios

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-build/slipway/e2e/registrytest"
)

// inject has the cluster add a container to objects of the namespace, before the
// others, as a service mesh does; path is that of the containers in the object,
// spec the rest of the container. The space's agent is left alone.
func (s *space) inject(container, group, resource, path, spec string) {
	s.t.Helper()
	name := s.Name + "-" + container
	s.t.Cleanup(func() {
		s.kubectlCleanup("delete", "--ignore-not-found", "mutatingadmissionpolicybinding/"+name, "mutatingadmissionpolicy/"+name)
	})
	s.kubectl(fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: %[1]s}
spec:
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %[2]s}}
    resourceRules: [{apiGroups: [%[3]q], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [%[4]s]}]
  matchConditions:
    - {name: builder, expression: 'has(object.metadata.labels) && "app" in object.metadata.labels && request.?subResource.orValue("") == ""'}
    - {name: once, expression: 'object.%[6]s.all(c, c.name != %[7]q)'}
    - {name: new, expression: 'request.operation == "CREATE" || request.resource.resource != "pods"'}
  failurePolicy: Fail
  reinvocationPolicy: Never
  mutations:
    - patchType: JSONPatch
      jsonPatch:
        expression: '[JSONPatch{op: "add", path: "/%[5]s/0", value: Object.%[6]s{name: %[7]q, %[8]s}}]'
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: %[1]s}
spec: {policyName: %[1]s}
`, name, s.Name, group, resource, strings.ReplaceAll(path, ".", "/"), path, container, spec), "apply", "-f", "-")
}

// awaitInjection waits until the API server adds the container to new objects.
func (s *space) awaitInjection(container, manifest string) {
	s.t.Helper()
	s.eventually("the API server adds container "+container, func() bool {
		return strings.Contains(s.kubectl(manifest, "create", "--dry-run=server", "-o", "jsonpath={..containers[*].name}", "--filename=-"), container+" ")
	})
}

const probePod = `{apiVersion: v1, kind: Pod, metadata: {name: probe, labels: {app: probe}}, spec: {containers: [{name: probe, image: none}]}}`

// TestContainersThatTheClusterAdds builds on pods to which the cluster adds a
// container before buildkitd's, and with a workload to which it does so.
func TestContainersThatTheClusterAdds(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.needs(mutatingAdmissionPolicies)
	s.define(s.builderNode("amd64", ownTimeout()))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	s.inject("mesh", "", "pods", "spec.containers", fmt.Sprintf(`image: %q, command: ["sh", "-c", "echo the mesh speaks; sleep infinity"]`, s.Bed.Images.Busybox))
	s.awaitInjection("mesh", probePod)

	a.builds(debugBuild, "direct")
	containers := s.kubectl("", "get", "pods", "--selector=app=builder-amd64", "-o", "jsonpath={.items[0].spec.containers[*].name}")
	want(t, "containers of the pod", containers, "mesh buildkitd")
	a.builds(debugBuild+"--transport portforward", "portforward")
	a.builds(debugBuild+"--transport exec", "exec")
	if logs := a.ok("slipway logs"); strings.Contains(logs, "the mesh speaks") || !strings.Contains(logs, "running server on") {
		t.Errorf("slipway logs is not buildkitd's:\n%s", logs)
	}
	checks := a.doctor("")
	beside := slices.ContainsFunc(checks, func(c check) bool { return strings.Contains(c.Detail, "mesh") })
	drifts := slices.ContainsFunc(checks, func(c check) bool { return c.Probe == "drift" && c.Verdict != "ok" })
	if !beside || drifts {
		t.Errorf("the doctor tells of the container: %t, of a drift: %t\n%+v", beside, drifts, checks)
	}

	// The same with the workload itself: neither who may update it nor who may
	// only look at it sees a difference.
	s.inject("mesh-workload", "apps", "deployments", "spec.template.spec.containers", fmt.Sprintf(`image: %q, command: ["sleep", "infinity"]`, s.Bed.Images.Busybox))
	s.awaitInjection("mesh-workload", `{apiVersion: apps/v1, kind: Deployment, metadata: {name: probe, labels: {app: probe}}, spec: {selector: {matchLabels: {app: probe}}, template: {metadata: {labels: {app: probe}}, spec: {containers: [{name: probe, image: none}]}}}}`)
	s.kubectl("", "delete", "deployment", "builder-amd64")
	a.ok("slipway up >&2")
	containers = s.kubectl("", "get", "deployment", "builder-amd64", "-o", "jsonpath={.spec.template.spec.containers[*].name}")
	want(t, "containers of the workload", containers, "mesh-workload buildkitd")
	before := s.kubectl("", "get", "deployment", "builder-amd64", "-o", "jsonpath={.metadata.generation}")
	a.ok("slipway up >&2")
	want(t, "generation of the workload", s.kubectl("", "get", "deployment", "builder-amd64", "-o", "jsonpath={.metadata.generation}"), before)
	for _, who := range []string{"who may update it", "who may not"} {
		if listed := a.ok("slipway ls"); !strings.Contains(listed, "running") || strings.Contains(listed, "running*") {
			t.Errorf("slipway ls of %s:\n%s", who, listed)
		}
		if r := a.builds(debugBuild, "direct"); strings.Contains(r.stderr, "not as its definition says") {
			t.Errorf("a build of %s:\n%s", who, r.stderr)
		}
		s.kubectl("", "delete", "rolebinding", "slipway-manage", "--ignore-not-found")
	}
}

// TestAddedContainerThatFails waits for a builder that buildkitd does not keep
// from being ready.
func TestAddedContainerThatFails(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.needs(mutatingAdmissionPolicies)
	s.define(s.builderNode("amd64", ownTimeout()))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	// Without the probe the pod would be ready for the moment in which the container runs.
	s.inject("mesh", "", "pods", "spec.containers", fmt.Sprintf(`image: %q, command: ["sh", "-c", "echo the mesh has no certificate; exit 3"], `+
		`readinessProbe: Object.spec.containers.readinessProbe{exec: Object.spec.containers.readinessProbe.exec{command: ["false"]}}`, s.Bed.Images.Busybox))
	s.awaitInjection("mesh", probePod)
	r := a.fails(3, "slipway build -o out .", "error: ", "container mesh ends soon after each start", "the mesh has no certificate", "hint: container mesh is not buildkitd's")
	r.beforeTimeout(t)
	_, shown, _ := strings.Cut(readFile(t, "../docs/clusters.md"), "```console\n$ slipway build .\n")
	shown, _, _ = strings.Cut(shown, "```")
	if said := a.inConstantWords(r.stderr); shown == "" || !strings.Contains(said, shown) {
		t.Errorf("docs/clusters.md shows\n%s\nand it says\n%s", shown, said)
	}
}

// forwardProxy is an HTTP proxy that tunnels, as companies have them. It lasts as
// long as the test and knows what it was asked for.
type forwardProxy struct {
	address string
	mu      sync.Mutex
	// tunnels are "client host:port".
	tunnels []string
}

// startForwardProxy listens at an address of this machine that pods reach.
func startForwardProxy(t *testing.T, ip string) *forwardProxy {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	p := &forwardProxy{address: listener.Addr().String()}
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	return p
}

// ServeHTTP tunnels, and refuses all else.
func (p *forwardProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
		return
	}
	client, _, _ := net.SplitHostPort(r.RemoteAddr)
	p.mu.Lock()
	p.tunnels = append(p.tunnels, client+" "+r.Host)
	p.mu.Unlock()
	var dialer net.Dialer
	there, err := dialer.DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = there.Close() }()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = here.Close() }()
	if _, err := io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(here, there)
		_ = here.Close()
	}()
	_, _ = io.Copy(there, buffered)
	_ = there.Close()
	<-back
}

func (p *forwardProxy) asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tunnels)
}

// TestBuilderBehindAProxy has a buildkitd that goes through an HTTP proxy to the
// registry, as in docs/clusters.md. Neither the agent nor its way to the builder
// does.
func TestBuilderBehindAProxy(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	registry := s.Bed.Registry
	host, _, err := net.SplitHostPort(registry.Address)
	if err != nil {
		t.Fatal(err)
	}
	p := startForwardProxy(t, host)
	files, err := registrytest.BuilderFiles(registry)
	if err != nil {
		t.Fatal(err)
	}
	n := s.builderNode("amd64", "env.HTTPS_PROXY=http://"+p.address, "env.HTTP_PROXY=http://"+p.address, "env.NO_PROXY=.svc,.cluster.local")
	n.Files = files
	s.define(n)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	config, err := registrytest.DockerConfigFor(registry)
	if err != nil {
		t.Fatal(err)
	}
	a.write("/root/.docker/config.json", config)
	a.write("Dockerfile", "FROM "+registry.Address+"/test/base:1\nCOPY Dockerfile /\n")
	for _, transport := range []string{"direct", "portforward", "exec"} {
		a.builds(fmt.Sprintf("%s--transport %s --build-arg N=%[2]s -t %[3]s/%[4]s:%[2]s --push --no-cache", strings.Replace(debugBuild, "-o out ", "", 1), transport, registry.Address, s.Name), transport)
	}
	asked := p.asked()
	if wanted := s.builderIP() + " " + registry.Address; len(asked) == 0 || slices.ContainsFunc(asked, func(tunnel string) bool { return tunnel != wanted }) {
		t.Errorf("the proxy was asked for %q, want %q only", asked, wanted)
	}
}
