package scenarios

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// inspected is what scripts read of slipway inspect.
type inspected struct {
	Nodes []struct {
		Name, Status, BuildKit, Workload string
		Managed                          bool
		CertificatesExpire               string
		GCPolicy                         []struct{ ReservedSpace, MaxUsedSpace, MinFreeSpace int64 }
		Pods                             []struct {
			Name, Status, ClusterNode, Created, Profile, Transport, BuildKit string
			CacheSize                                                        int64
			CacheRecords, ActiveBuilds                                       int
		}
	}
}

func inspect(a *agent, flags string) inspected {
	a.t.Helper()
	var b inspected
	if err := json.Unmarshal([]byte(a.ok("slipway inspect --format json "+flags)), &b); err != nil {
		a.t.Fatal(err)
	}
	return b
}

// record is what scripts read of slipway du.
type record struct {
	ID, Node, Pod string
	Bytes         int64
}

func usage(a *agent, flags string) []record {
	a.t.Helper()
	var all []record
	for dec := json.NewDecoder(strings.NewReader(a.ok("slipway du --format json " + flags))); dec.More(); {
		var r record
		if err := dec.Decode(&r); err != nil {
			a.t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// removeRole is what an agent needs that removes the builder, less what builds
// need.
const removeRole = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: remove}
rules:
  - {apiGroups: [apps], resources: [deployments, statefulsets], resourceNames: [builder-amd64], verbs: [get, delete]}
  - {apiGroups: [""], resources: [configmaps, persistentvolumeclaims], verbs: [list, delete]}
  - {apiGroups: [""], resources: [secrets], resourceNames: [builder-amd64-tls, builder-amd64-tls-client], verbs: [get, delete]}
`

// TestABuilderIsSeenPrunedAndRemoved follows a builder of two pods through its
// life: what it holds and does is seen, its cache goes, and it goes itself, but
// not while a build runs.
func TestABuilderIsSeenPrunedAndRemoved(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("amd64", "replicas=2", "loadbalance=random")
	n.Files = map[string][]byte{"buildkitd.toml": []byte("# a file\n")}
	s.define(n)
	a := s.startAgent("agent", s.Bed.Images.Agent)

	before := inspect(a, "")
	want(t, "status of nothing", before.Nodes[0].Status, "absent")
	if text := a.ok("slipway inspect"); !strings.Contains(text, "absent\n") {
		t.Errorf("inspect of nothing:\n%s", text)
	}
	a.fails(3, "slipway du", `no pod of builder "kube" runs`, "slipway up kube")

	inspect(a, "--bootstrap")
	s.kubectl("", "rollout", "status", "deployment/builder-amd64", "--timeout="+patience.String())
	a.write("Dockerfile", "FROM base AS build\nRUN head -c 3000000 /dev/urandom > /data\nFROM scratch\nCOPY --from=build /data /\n")
	// Random choice reaches both pods sooner or later.
	s.eventually("both pods have a cache", func() bool {
		a.ok("slipway build -q --no-cache " + a.base() + "-o out .")
		pods := map[string]bool{}
		for _, r := range usage(a, "--filter type=regular") {
			pods[r.Pod] = true
		}
		return len(pods) == 2
	})
	node := inspect(a, "").Nodes[0]
	if node.Status != "running" || !node.Managed || node.Workload != "Deployment" || !strings.HasPrefix(node.BuildKit, "v") || node.CertificatesExpire == "" || len(node.Pods) != 2 {
		t.Errorf("inspect: %+v", node)
	}
	for _, pod := range node.Pods {
		if pod.Status != "ready" || pod.ClusterNode == "" || pod.Created == "" || pod.Profile != "privileged" || pod.Transport != "direct" || pod.CacheSize < 3000000 || pod.ActiveBuilds != 0 {
			t.Errorf("inspect: pod %+v", pod)
		}
	}
	text := a.ok("slipway inspect")
	for _, label := range []string{`^Name: +kube\nDriver: +kubernetes\n`, `\nStatus: +running\n`, `\nBuildKit version: +v`, `\nPlatforms: +linux/amd64\*`, `\nLabels:\n org\.mobyproject\.buildkit`, `\nGC Policy rule#0:\n All: +`, `\nFile#buildkitd\.toml:\n > # a file\n`, `\nPod#builder-amd64-`, `\n Active builds: +0`} {
		if !regexp.MustCompile(label).MatchString(text) {
			t.Errorf("inspect lacks %s:\n%s", label, text)
		}
	}
	// As docker buildx prints them, and a client of BuildKit whose input ends.
	want(t, "ls by a template", a.ok("slipway ls --format '{{.Name}} {{.Status}}'"), "kube \nbuilder-amd64 running\n")
	var object struct {
		Nodes []struct{ Name, Status, Version string }
	}
	if line := a.ok("slipway ls --format json"); json.Unmarshal([]byte(line), &object) != nil || len(object.Nodes) != 1 || object.Nodes[0].Status != "running" || !strings.HasPrefix(object.Nodes[0].Version, "v") {
		t.Errorf("ls --format json: %s", line)
	}
	a.ok("timeout 30 slipway dial-stdio < /dev/null > /dev/null")
	if table := a.ok("slipway du"); !strings.HasPrefix(table, "ID") || !strings.Contains(table, "\nTotal:") || !strings.Contains(table, "builder-amd64-") {
		t.Errorf("du:\n%s", table)
	}

	// Limits that are not reached remove nothing, one that is removes something.
	held := func() (bytes int64) {
		for _, r := range usage(a, "--filter type=regular") {
			bytes += r.Bytes
		}
		return bytes
	}
	full := held()
	for _, limits := range []string{"--reserved-space 1GB", "--max-used-space 1GB", "--reserved-space 1GB --min-free-space 1000TB"} {
		a.ok("slipway prune --all --force " + limits + " >&2")
		if now := held(); now != full {
			t.Errorf("prune %s left %d bytes of %d", limits, now, full)
		}
	}
	a.ok("slipway prune --all --force --max-used-space 1MB >&2")
	if now := held(); now >= full {
		t.Errorf("prune --max-used-space 1MB left all of %d bytes", full)
	}

	logs := a.ok("slipway logs --tail 20")
	for _, pod := range node.Pods {
		if !strings.Contains(logs, "["+pod.Name+"] ") {
			t.Errorf("no line of %s in the logs:\n%s", pod.Name, logs)
		}
	}

	a.ok("(slipway logs --follow --tail 0 > follow.log; echo $? > follow.code) < /dev/null > /dev/null 2>&1 &")
	a.write("fails/Dockerfile", "FROM base\nRUN exit 3\n")
	s.eventually("buildkitd says something that is followed", func() bool {
		a.fails(1, "slipway build "+a.base()+"fails", "exit code: 3")
		return a.sh("grep '^\\[builder-amd64-' follow.log").code == 0
	})

	a.fails(2, "slipway prune --all < /dev/null", "--force")
	if pruned := a.ok("slipway prune --all --force"); !strings.Contains(pruned, "Total:") {
		t.Errorf("prune:\n%s", pruned)
	}
	for _, pod := range inspect(a, "").Nodes[0].Pods {
		if pod.CacheSize >= 3000000 {
			t.Errorf("pod %s still holds %d bytes", pod.Name, pod.CacheSize)
		}
	}

	// A build keeps the builder, and builds have no right to remove one.
	a.fails(3, "slipway rm kube --force", "cannot", "name: slipway-remove-builder-amd64", "kind: RoleBinding")
	s.kubectl(removeRole, "create", "-f", "-")
	s.kubectl("", "create", "rolebinding", "remove", "--role=remove", "--serviceaccount="+s.Name+":agent")
	a.serve()
	slow := a.holdBuild("slow", "")
	slow.awaitStep()
	active := 0
	for _, pod := range inspect(a, "").Nodes[0].Pods {
		active += pod.ActiveBuilds
	}
	if active != 1 {
		t.Errorf("%d active builds, want 1", active)
	}
	a.fails(3, "slipway rm kube < /dev/null", `builder "kube" is in use: 1 builds`)
	want(t, "deployments", strings.Join(s.names("deployments"), " "), "deployment.apps/builder-amd64")
	s.kubectl("", "create", "secret", "generic", "mine", "--from-literal=a=b")
	s.kubectl("", "label", "secret", "mine", "app=builder-amd64")
	r := a.sh("slipway rm kube --force")
	if r.code != 0 || !strings.Contains(r.stderr, "kube removed") || !strings.Contains(r.stderr, "the definition in /etc/slipway/definitions/kube stays") {
		t.Errorf("rm: exit %d\n%s", r.code, r.stderr)
	}
	want(t, "deployments", strings.Join(s.names("deployments"), " "), "")
	want(t, "configmaps", strings.Join(s.names("configmaps"), " "), "configmap/builders configmap/kube-root-ca.crt")
	want(t, "secrets", strings.Join(s.names("secrets"), " "), "secret/mine")
	slow.finish("")
	a.until("the logs end with the pods", "test \"$(cat follow.code)\" = 0")
}

// TestWhatOthersMadeIsNotRemoved has a builder that buildx might have made.
func TestWhatOthersMadeIsNotRemoved(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	s.kubectl(removeRole, "create", "-f", "-")
	s.kubectl("", "create", "rolebinding", "remove", "--role=remove", "--serviceaccount="+s.Name+":agent")
	s.kubectl("", "create", "deployment", "builder-amd64", "--image="+s.Bed.Images.BuildKit, "--replicas=0")
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.fails(3, "slipway rm kube --force", "deployment builder-amd64 in namespace "+s.Name+" is not slipway's")
	a.fails(3, "slipway up", "deployment builder-amd64 in namespace "+s.Name+" is not slipway's")
	want(t, "deployments", strings.Join(s.names("deployments"), " "), "deployment.apps/builder-amd64")
	want(t, "managed", a.ok("slipway inspect --format json | grep managed | tr -d ' ,'"), "\"managed\":false\n")
}
