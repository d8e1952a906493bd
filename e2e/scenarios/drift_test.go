package scenarios

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// definitionFile writes a definition of builder "kube" into the agent's
// workspace.
func (a *agent) definitionFile(path string, nodes ...node) {
	a.t.Helper()
	raw, err := json.Marshal(map[string]any{"Name": "kube", "Driver": "kubernetes", "Nodes": nodes, "Dynamic": false})
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(path, string(raw))
}

// changed is a node with another image, arguments, resources, a toleration and
// another configuration of buildkitd.
func (s *space) changed(n node) node {
	s.t.Helper()
	if s.Bed.Images.NextBuildKit == "" {
		s.t.Fatal("no image to change to; start the testbed, or set TESTBED_NEXT_BUILDKIT_IMAGE to another tag of BuildKit")
	}
	opts := map[string]string{"requests.cpu": "10m", "tolerations": "key=ci,operator=Exists"}
	for key, value := range n.DriverOpts {
		opts[key] = value
	}
	opts["image"] = s.Bed.Images.NextBuildKit
	n.DriverOpts, n.Flags = opts, []string{"--debug"}
	n.Files = map[string][]byte{"buildkitd.toml": []byte("[worker.oci]\n  max-parallelism = 7\n")}
	return n
}

// TestDriftOfABuilderInUse changes the definition of a builder while six builds
// run: each policy does what it says, slipway up brings the builder up to date,
// new builds land on new pods and the six succeed.
func TestDriftOfABuilderInUse(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("amd64", "replicas=2")
	n.Files = map[string][]byte{"buildkitd.toml": []byte("[worker.oci]\n  max-parallelism = 8\n")}
	s.define(n)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.definitionFile("v2/kube", s.changed(n))
	a.write("small/Dockerfile", smallDockerfile)
	a.ok("slipway up >&2")
	s.kubectl("", "rollout", "status", "deployment/builder-amd64", "--timeout="+patience.String())
	const drifted = "deployment builder-amd64 in namespace "

	// Without the right to update, what has not drifted is no trouble.
	s.kubectl("", "delete", "rolebinding", "slipway-manage")
	if said := a.sh("slipway up && slipway build -o out small"); said.code != 0 || strings.Contains(said.stderr, drifted) {
		t.Fatalf("without drift: exit %d\n%s", said.code, said.stderr)
	}
	a.fails(3, "slipway --definitions v2 up", drifted, "[buildkitd].args: ", "and it may not be updated", "kind: RoleBinding", "- update\n", "--drift warn")
	a.ok("slipway --definitions v2 up --drift warn >&2")
	warned := a.sh("slipway --definitions v2 build -o out small")
	want(t, "exit code of a build that warns", fmt.Sprint(warned.code), "0")
	if n := strings.Count(warned.stderr, drifted); n != 1 || !strings.Contains(warned.stderr, "spec.template.spec.tolerations: cluster has none, definition says ") {
		t.Errorf("a build that warns says so %d times:\n%s", n, warned.stderr)
	}
	a.fails(3, "slipway --definitions v2 build --drift fail -o out small", drifted, "hint: bring it up to date: slipway up")
	if ignored := a.sh("SLIPWAY_DRIFT=ignore slipway --definitions v2 build -o out small"); ignored.code != 0 || strings.Contains(ignored.stderr, drifted) {
		t.Errorf("a build that ignores: exit %d\n%s", ignored.code, ignored.stderr)
	}
	s.kubectl("", "create", "rolebinding", "slipway-manage", "--role=slipway-manage", "--serviceaccount="+s.Name+":agent")
	before := a.drift()
	for _, line := range []string{".image: ", ".args: ", ".resources.requests.cpu: cluster has none, definition says 10m", ".tolerations: ", "configmap builder-amd64-config[buildkitd.toml]: other content"} {
		if !strings.Contains(before, line) {
			t.Errorf("slipway inspect does not show %q:\n%s", line, before)
		}
	}
	if said := a.sh("slipway --definitions v2 doctor").stdout; !strings.Contains(said, "drift [builder-amd64]") || !strings.Contains(said, ".resources.requests.cpu: cluster has none, definition says 10m") {
		t.Errorf("slipway doctor does not tell of the drift:\n%s", said)
	}

	if listed := a.ok("slipway --definitions v2 ls"); !strings.Contains(listed, "running!") {
		t.Errorf("slipway ls does not mark the drift:\n%s", listed)
	}

	// Six builds wait for a word while their builder changes.
	ip := strings.TrimSpace(s.kubectl("", "get", "pod", a.pod, "-o", "jsonpath={.status.podIP}"))
	a.ok("mkdir -p /tmp/www && httpd -p 8080 -h /tmp/www")
	for i := range 6 {
		a.write(fmt.Sprintf("b%d/Dockerfile", i), "FROM base\nRUN until wget -q -O /answer http://"+urlHost(ip)+":8080/go; do sleep 0.1; done\n")
	}
	a.ok("for i in 0 1 2 3 4 5; do (slipway build --no-cache --progress plain " + a.base() + "b$i > b$i.log 2>&1; echo $? > b$i.code) < /dev/null > /dev/null 2>&1 & done")
	a.until("all six builds run", "[ $(grep -l 'RUN until wget' b?.log | wc -l) = 6 ]")
	old := s.names("pods", "--selector=app=builder-amd64")

	up := a.sh("slipway --definitions v2 up --progress plain")
	if up.code != 0 || !strings.Contains(up.stderr, "; updating it") {
		t.Fatalf("slipway up: exit %d\n%s", up.code, up.stderr)
	}
	a.ok("slipway --definitions v2 build --metadata-file meta.json -o out small")
	if pod := a.podOf(); slices.Contains(old, "pod/"+pod) {
		t.Errorf("a new build landed on the old pod %s", pod)
	}
	want(t, "drift after slipway up", a.drift(), "")
	want(t, "builds that are over too early", a.ok("cat b?.code 2>/dev/null || true"), "")
	a.ok("echo > /tmp/www/go")
	a.until("the six builds end", "[ $(cat b?.code | wc -l) = 6 ]")
	if codes := a.ok("cat b?.code"); codes != strings.Repeat("0\n", 6) {
		t.Errorf("exit codes of the builds: %q\n%s", codes, a.ok("tail -n 5 b?.log"))
	}

	// A change by hand that leaves the mark in place is undone, what others
	// have scaled is not.
	s.kubectl("", "scale", "deployment/builder-amd64", "--replicas=1")
	s.kubectl("", "set", "env", "deployment/builder-amd64", "EXTRA=secret-value")
	byHand := a.drift()
	if !strings.HasSuffix(byHand, "env[EXTRA]: only in the cluster") {
		t.Errorf("drift after a change by hand: %q", byHand)
	}
	// An agent that cannot see that does not claim that there is nothing.
	s.kubectl("", "delete", "rolebinding", "slipway-manage")
	a.eventually("the doctor says what it cannot compare", func() bool {
		return strings.Contains(a.sh("slipway --definitions v2 doctor").stdout, "cannot be compared fully without the rights to update deployments and get configmaps")
	})
	s.kubectl("", "create", "rolebinding", "slipway-manage", "--role=slipway-manage", "--serviceaccount="+s.Name+":agent")
	a.ok("slipway --definitions v2 up >&2")
	want(t, "drift after it is undone", a.drift(), "")
	want(t, "replicas", s.kubectl("", "get", "deployment", "builder-amd64", "-o", "jsonpath={.spec.replicas}"), "1")

	// A build that applies waits for a pod of its own definition.
	old = s.names("pods", "--selector=app=builder-amd64")
	a.ok("slipway build --drift apply --metadata-file meta.json -o out small")
	if pod := a.podOf(); slices.Contains(old, "pod/"+pod) {
		t.Errorf("a build that applies landed on the old pod %s", pod)
	}

	// Another kind of workload is another workload.
	claimed := n
	claimed.DriverOpts = map[string]string{"persistent-volume-claim.requests.storage": "1Gi"}
	for key, value := range n.DriverOpts {
		claimed.DriverOpts[key] = value
	}
	a.definitionFile("v3/kube", claimed)
	a.fails(2, "slipway --definitions v3 up", "there is a Deployment of that name", "hint: give the node another name", "kubectl delete --namespace "+s.Name+" deployment builder-amd64")
	want(t, "statefulsets", strings.Join(s.names("statefulsets"), " "), "")
}

// drift is what slipway inspect lists for the only node of the definition in v2,
// one line each.
func (a *agent) drift() string {
	a.t.Helper()
	var details struct {
		Nodes []struct{ Drift []string }
	}
	if err := json.Unmarshal([]byte(a.ok("slipway --definitions v2 inspect --format json")), &details); err != nil {
		a.t.Fatal(err)
	}
	if len(details.Nodes) != 1 || details.Nodes[0].Drift == nil {
		a.t.Fatalf("drift is not known: %+v", details)
	}
	return strings.Join(details.Nodes[0].Drift, "\n")
}

// podOf is the pod of a build for amd64 by its metadata file, meta.json.
func (a *agent) podOf() string {
	a.t.Helper()
	var meta struct {
		Slipway map[string]struct{ Pod string } `json:"slipway.platforms"`
	}
	if err := json.Unmarshal([]byte(a.ok("cat meta.json")), &meta); err != nil {
		a.t.Fatal(err)
	}
	return meta.Slipway["linux/amd64"].Pod
}

// TestBuilderOfBuildxIsChangedAndGivenBack has a builder made by buildx, changed
// by slipway up, and used and removed by buildx as if nothing had been.
func TestBuilderOfBuildxIsChangedAndGivenBack(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	if s.Bed.Images.Peer == "" {
		t.Fatal("there is no peer image; make it with: cd e2e && go run ./testbed peer")
	}
	s.kubectl("", "create", "role", "buildx", "--verb=get,create,delete", "--resource=deployments,statefulsets,configmaps")
	s.kubectl("", "create", "rolebinding", "buildx", "--role=buildx", "--serviceaccount="+s.Name+":agent")
	n := s.builderNode("amd64", "labels=team=ci", "annotations=owner=ci")
	n.Files = map[string][]byte{"buildkitd.toml": []byte("[worker.oci]\n  max-parallelism = 8\n")}
	s.define(n)
	a, peer := s.startAgent("agent", s.Bed.Images.Agent), s.startAgent("peer", s.Bed.Images.Peer)
	asked := s.changed(n)
	asked.Slipway = map[string]any{"podTemplate": map[string]any{"spec": map[string]any{"hostname": "asked-for"}}}
	for _, one := range []*agent{a, peer} {
		one.write("Dockerfile", smallDockerfile)
		one.definitionFile("v2/kube", asked)
	}
	const theirs = "mkdir -p ~/.docker/buildx/instances && cp -L %s ~/.docker/buildx/instances/kube && buildx build --builder kube --output type=local,dest=out . >&2 && cmp Dockerfile out/Dockerfile"
	peer.ok(fmt.Sprintf(theirs, "/etc/slipway/definitions/kube"))
	shape := func() string {
		return s.kubectl("", "get", "deployment", "builder-amd64", "-o", "jsonpath={.metadata.uid} {.metadata.labels} {.spec.selector} {.spec.template.metadata.labels} {.spec.template.spec.volumes} {.spec.template.spec.containers[0].securityContext} {.spec.template.spec.containers[0].livenessProbe}")
	}
	made, pods := shape(), s.names("pods", "--selector=app=builder-amd64")

	// It is as its definition says, so nothing is touched.
	a.ok("slipway up >&2 && slipway build -o out .")
	want(t, "pods after slipway up", strings.Join(s.names("pods", "--selector=app=builder-amd64"), " "), strings.Join(pods, " "))

	up := a.sh("slipway --definitions v2 up --progress plain")
	if up.code != 0 || !strings.Contains(up.stderr, "left alone in deployment builder-amd64: spec.template.spec.hostname\n") {
		t.Fatalf("slipway up: exit %d\n%s", up.code, up.stderr)
	}
	want(t, "what is not slipway's to change", shape(), made)
	want(t, "arguments", s.kubectl("", "get", "deployment", "builder-amd64", "-o", "jsonpath={.spec.template.spec.containers[0].args} {.spec.template.spec.containers[0].resources.requests.cpu} {.spec.template.spec.tolerations[0].key}"), `["--debug"] 10m ci`)
	want(t, "configuration", s.kubectl("", "get", "configmap", "builder-amd64-config", "-o", `jsonpath={.data.buildkitd\.toml}`), string(s.changed(n).Files["buildkitd.toml"]))
	a.ok("slipway --definitions v2 build --metadata-file meta.json -o again . >&2")
	if pod := a.podOf(); slices.Contains(pods, "pod/"+pod) {
		t.Errorf("a build after the change landed on the old pod %s", pod)
	}
	want(t, "drift after slipway up", a.drift(), "")

	peer.ok(fmt.Sprintf(theirs, "v2/kube"))
	if listed := peer.ok("buildx ls"); !strings.Contains(listed, "running") {
		t.Errorf("buildx ls:\n%s", listed)
	}
	peer.ok("buildx rm kube >&2")
	want(t, "what buildx leaves", strings.Join(s.names("deployments,configmaps", "--selector=app=builder-amd64"), " "), "")
}

// TestDriftOfAStatefulSet needs no pod that runs: none of its claims is ever
// bound.
func TestDriftOfAStatefulSet(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("amd64", "persistent-volume-claim.requests.storage=1Gi", "timeout=3s")
	s.define(n)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.definitionFile("v2/kube", s.changed(n))
	larger := s.changed(n)
	larger.DriverOpts["persistent-volume-claim.requests.storage"] = "2Gi"
	a.definitionFile("v3/kube", larger)

	a.fails(3, "slipway up", "no pod became ready within 3s")
	if before := a.drift(); !strings.Contains(before, `containers[buildkitd].args: only in the definition: ["--debug"]`) {
		t.Errorf("drift from the new definition: %q", before)
	}
	a.fails(3, "slipway --definitions v2 up --progress plain", "; updating it", "no pod became ready within 3s")
	want(t, "drift after slipway up", a.drift(), "")
	a.fails(2, "slipway --definitions v3 up", "spec.volumeClaimTemplates[buildkitd].spec.resources.requests.storage: cluster has 1Gi, definition says 2Gi", "--cascade=orphan statefulset builder-amd64")
	want(t, "drift after what cannot be", a.drift(), "")
	// The way that the error shows.
	s.kubectl("", "delete", "--cascade=orphan", "statefulset", "builder-amd64")
	a.fails(3, "slipway --definitions v3 up --progress plain", "creating statefulset builder-amd64", "no pod became ready within 3s")
	want(t, "claims", s.kubectl("", "get", "statefulset", "builder-amd64", "-o", "jsonpath={.spec.volumeClaimTemplates[0].spec.resources.requests.storage}"), "2Gi")
}
