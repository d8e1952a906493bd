// Package scenarios is what users do with Slipway, on a real cluster: agents
// as pods, with a service account and a mounted ConfigMap, and what they see.
package scenarios

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// both is what every build for both architectures says.
const both = "--platform linux/amd64,linux/arm64 "

// unameDockerfile writes what the architecture says of itself.
const unameDockerfile = `FROM base AS build
RUN uname -m > /machine.txt
FROM scratch
COPY --from=build /machine.txt /
`

// demoRole returns a role of the demo's manifest: the scenarios run with just
// the rights that users are told to give.
func demoRole(t *testing.T, name string) string {
	t.Helper()
	for _, doc := range strings.Split(readFile(t, "demo/agent.yaml"), "\n---\n") {
		if strings.Contains(doc, "\nkind: Role\n") && strings.Contains(doc, "\n  name: "+name+"\n") {
			return doc
		}
	}
	t.Fatalf("the demo has no role %s", name)
	return ""
}

// readFile reads a file of the e2e module, by its path in it.
func readFile(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", path)) // tests run in their package's directory
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// base is the flag that gives a build its base image.
func (a *agent) base() string {
	b := a.Bed.Base
	return fmt.Sprintf("--build-context base=oci-layout://%s:%s ", b.InAgent, b.Tag)
}

func TestBothArchitecturesFromNothing(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"), s.builderNode("arm64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", unameDockerfile)

	r := a.sh("slipway build " + both + a.base() + "--output type=local,dest=out .")
	if r.code != 0 {
		t.Fatalf("exit %d:\n%s", r.code, r.stderr)
	}
	want(t, "amd64 result", a.ok("cat out/linux_amd64/machine.txt"), "x86_64\n")
	want(t, "arm64 result", a.ok("cat out/linux_arm64/machine.txt"), "aarch64\n")
	want(t, "entries of out", a.ok("ls -A out"), "linux_amd64\nlinux_arm64\n")
	for _, said := range []string{"[builder-amd64", "[builder-arm64", "RUN uname -m", "\nbuilt in ", "\n  linux/arm64  builder-arm64  ", "\n  files  out (2 files, "} {
		if !strings.Contains(r.stderr, said) {
			t.Errorf("the log does not say %q:\n%s", said, r.stderr)
		}
	}
	want(t, "deployments", strings.Join(s.names("deployments"), " "), "deployment.apps/builder-amd64 deployment.apps/builder-arm64")

	var builders []struct {
		Name  string
		Nodes []struct {
			Name, Endpoint, Status, BuildKit string
			Ready                            int
			Platforms                        []string
		}
	}
	if err := json.Unmarshal([]byte(a.ok("slipway ls --format json-list")), &builders); err != nil {
		t.Fatal(err)
	}
	if len(builders) != 1 || len(builders[0].Nodes) != 2 {
		t.Fatalf("slipway ls: %+v", builders)
	}
	for i, arch := range []string{"amd64", "arm64"} {
		n := builders[0].Nodes[i]
		if n.Status != "running" || n.Ready != 1 || !strings.HasPrefix(n.BuildKit, "v") || strings.Join(n.Platforms, " ") != "linux/"+arch {
			t.Errorf("slipway ls: node %+v", n)
		}
	}
	if table := a.ok("slipway ls"); !strings.Contains(table, "running") || !strings.Contains(table, s.Name+"/builder-arm64") {
		t.Errorf("slipway ls:\n%s", table)
	}
	// One platform writes straight into the directory, quietly, and what else
	// is there stays.
	a.ok("mkdir single && echo mine > single/keep.txt")
	r = a.sh("slipway build -q --platform linux/arm64 " + a.base() + "-o single .")
	if r.code != 0 || r.stdout != "" || r.stderr != "" {
		t.Errorf("quiet build: exit %d, %q, %q", r.code, r.stdout, r.stderr)
	}
	want(t, "one platform", a.ok("cat single/machine.txt single/keep.txt"), "aarch64\nmine\n")
}

// TestUpThenBuild starts a builder with a claim, builds on it and removes both.
func TestUpThenBuild(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64", "persistent-volume-claim.requests.storage=1Gi"))
	s.kubectl(claimVolume(s.Name), "create", "-f", "-")
	t.Cleanup(func() { s.kubectlCleanup("delete", "persistentvolume", s.Name, "--wait=false", "--ignore-not-found") })
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /copied\n")

	if out := a.sh("slipway up"); out.code != 0 || !strings.Contains(out.stderr, "BuildKit v") {
		t.Fatalf("slipway up: exit %d\n%s", out.code, out.stderr)
	}
	want(t, "workloads", strings.Join(s.names("statefulsets,deployments"), " "), "statefulset.apps/builder-amd64")
	a.ok("slipway build -o out . && cmp Dockerfile out/copied")

	s.kubectl(removeRole, "create", "-f", "-")
	s.kubectl("", "create", "rolebinding", "remove", "--role=remove", "--serviceaccount="+s.Name+":agent")
	a.ok("slipway rm --force --delete-claims")
	s.eventually("the claim goes", func() bool { return len(s.names("statefulsets,persistentvolumeclaims")) == 0 })
}

// claimVolume is a volume on the cluster node's disk for the one claim of a
// scenario; the testbed has no provisioner.
func claimVolume(name string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: %[1]s}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Delete
  claimRef: {namespace: %[1]s, name: buildkitd-builder-amd64-0}
  hostPath: {path: /var/tmp/slipway-%[1]s, type: DirectoryOrCreate}
`, name)
}

func TestBuildersMadeByBuildxAreAdopted(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	if s.Bed.Images.Peer == "" {
		t.Fatal("there is no peer image; make it with: cd e2e && go run ./testbed peer")
	}
	s.defineRaw(map[string]string{"unused.txt": "{}"})
	peer := s.startAgent("peer", s.Bed.Images.Peer)
	create := func(arch, more string) string {
		return fmt.Sprintf("buildx create --bootstrap --name=kube --driver=kubernetes --platform=linux/%[1]s --node=builder-%[1]s "+
			"--driver-opt=namespace=%[2]s,image=%[3]s,nodeselector=kubernetes.io/arch=%[1]s %[4]s >&2",
			arch, s.Name, s.Bed.Images.BuildKit, more)
	}
	peer.ok(create("amd64", ""))
	peer.ok(create("arm64", "--append"))
	uids := func() string {
		return s.kubectl("", "get", "deployments", "-o", `jsonpath={range .items[*]}{.metadata.name}={.metadata.uid}/{.metadata.generation} {end}`)
	}
	before := uids()

	// The file that buildx wrote, as it is, in a ConfigMap.
	s.kubectl("", "delete", "configmap", "builders")
	s.defineRaw(map[string]string{"kube": peer.ok("cat ~/.docker/buildx/instances/kube")})
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", unameDockerfile)
	// They listen on no port, so exec is the way, and nothing to speak of.
	r := a.builds(debugBuild+both+a.base(), "exec")
	if strings.Contains(r.stderr, closedWay) {
		t.Errorf("it misses a faster way:\n%s", r.stderr)
	}
	want(t, "results", a.ok("cat out/*/machine.txt"), "x86_64\naarch64\n")
	want(t, "deployments", uids(), before)
	want(t, "secrets", strings.Join(s.names("secrets"), " "), "")
}

func TestTwentyAgentsAtOnce(t *testing.T) {
	t.Parallel()
	const agents = 20
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"), s.builderNode("arm64"))
	// Pods do not start all at once; the agents in them do, at an agreed second.
	start := time.Now().Add(15 * time.Second).Unix()
	s.kubectl("", "create", "configmap", "context", "--from-literal=Dockerfile=FROM scratch\nCOPY Dockerfile /\n")
	s.kubectl(fmt.Sprintf(`
apiVersion: batch/v1
kind: Job
metadata: {name: agents}
spec:
  parallelism: %[1]d
  completions: %[1]d
  backoffLimit: 0
  template:
    spec:
      serviceAccountName: agent
      restartPolicy: Never
      containers:
        - name: agent
          image: %[2]s
          command:
            - sh
            - -c
            - |
              early=$((%[3]d - 1 - $(date +%%s)))
              [ $early -lt 1 ] || sleep $early
              while [ $(date +%%s) -lt %[3]d ]; do sleep 0.05; done
              exec slipway build --progress=plain --platform=linux/amd64,linux/arm64 --output=/tmp/out /context
          volumeMounts:
            - {name: builders, mountPath: /etc/slipway/definitions, readOnly: true}
            - {name: context, mountPath: /context}
      volumes:
        - {name: builders, configMap: {name: builders}}
        - {name: context, configMap: {name: context}}
`, agents, s.Bed.Images.Agent, start), "create", "-f", "-")
	// One that watches, for many that look would take the agents' CPU. Whether
	// it has waited in vain is told by what follows.
	_, _ = s.Run(t.Context(), "", "wait", "job/agents", "--for=condition=Complete", "--timeout="+patience.String())
	if got := s.kubectl("", "get", "job/agents", "-o", "jsonpath={.status.succeeded}/{.status.failed}"); got != fmt.Sprintf("%d/", agents) {
		t.Errorf("agents succeeded/failed: %s, want %d/", got, agents)
		t.Log(s.kubectl("", "logs", "--selector=job-name=agents", "--tail=12", "--prefix", "--max-log-requests=20"))
	}
	want(t, "deployments", strings.Join(s.names("deployments"), " "), "deployment.apps/builder-amd64 deployment.apps/builder-arm64")
	want(t, "builder pods", fmt.Sprint(len(s.names("pods"))-agents), "2")
	want(t, "certificates", strings.Join(s.names("secrets"), " "),
		"secret/builder-amd64-tls secret/builder-amd64-tls-client secret/builder-arm64-tls secret/builder-arm64-tls-client")
	// One set for all: whoever comes now gets along with the pods.
	a := s.startAgent("late", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	r := a.builds(debugBuild+both, "direct")
	want(t, "transports", strings.Join(r.values("transport"), " "), "direct direct")
}

func TestNodesThatDeclareNoPlatforms(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("amd64")
	n.Platforms = nil
	s.define(n)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", unameDockerfile)
	// What it builds for is asked of buildkitd; the emulator counts, for
	// nothing was declared.
	a.ok("slipway build --platform linux/amd64,linux/arm64 " + a.base() + "-o out .")
	want(t, "results", a.ok("cat out/linux_amd64/machine.txt out/linux_arm64/machine.txt"), "x86_64\naarch64\n")
	a.fails(2, "slipway build --platform linux/s390x --strict-platforms -o out .", `no node of builder "kube" builds for linux/s390x`, "hint: node builder-amd64 builds for linux/amd64, ")
}

func TestRemoteDriver(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("amd64")
	n.Flags = []string{"--addr", "unix:///run/buildkit/buildkitd.sock", "--addr", "tcp://" + s.everyAddress() + ":1234"}
	s.define(n)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	a.ok("slipway up >&2")
	ip := strings.TrimSpace(s.kubectl("", "get", "pods", "--selector=app=builder-amd64", "-o", "jsonpath={.items[0].status.podIP}"))
	a.write("remote.yaml", "Name: far\nDriver: remote\nNodes:\n  - Name: far\n    Endpoint: tcp://"+urlHost(ip)+":1234\n")
	a.ok("slipway build --definitions remote.yaml -o out . && cmp Dockerfile out/Dockerfile")
	if listed := a.ok("slipway ls --definitions remote.yaml"); !strings.Contains(listed, "tcp://"+urlHost(ip)+":1234  running") {
		t.Errorf("slipway ls:\n%s", listed)
	}
	a.write("nobody.yaml", "Name: far\nDriver: remote\nNodes:\n  - Name: far\n    Endpoint: tcp://127.0.0.1:1\n")
	a.fails(3, "slipway build --definitions nobody.yaml -o out2 .", "error: ", "tcp://127.0.0.1:1", "connection refused")
}
