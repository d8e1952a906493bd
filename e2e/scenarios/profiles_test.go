package scenarios

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// profileDockerfile asks a build step what it is, as docs/profiles.md tells of
// each profile.
const profileDockerfile = `FROM base AS ask
RUN set -- $(cat /proc/self/uid_map) && echo "user 0 is $2, of $3" > /facts
RUN if mknod /device c 1 3 2> /dev/null; then echo devices; else echo no devices; fi >> /facts
RUN touch /file && if chown 65535 /file; then echo user 65535; fi >> /facts
RUN touch /other && if chown 70000 /other 2> /dev/null; then echo user 70000; else echo no user 70000; fi >> /facts
RUN if ps | grep -q '[b]uildkitd.*--tlskey'; then echo sees buildkitd; else echo sees itself; fi >> /facts
RUN set -- $(grep ' / / ' /proc/self/mountinfo | sed 's/.* - //'); echo "on $1" >> /facts
FROM --platform=linux/arm64 base AS emulated
RUN uname -m > /machine
FROM scratch
COPY --from=ask /facts /
COPY --from=emulated /machine /
`

// profileCase is one builder of the scenario.
type profileCase struct {
	builder, node, profile string
	// lost tells that the cluster forgets the profile: the pod is privileged.
	lost bool
	// facts is what its builds are to find out of themselves.
	facts string
}

// gcOf is the policy of the two builders that are not of the page.
const gcOf = `"gc": {"reservedSpace": "10GB", "maxUsedSpace": "60%", "minFreeSpace": "5%"}`

// TestEveryProfileBuildsDirectly builds the same under each of the three
// profiles, straight over TCP, with a rootless builder on a persistent claim of
// a storage class and the recommended definition of docs/profiles.md for user
// namespaces.
func TestEveryProfileBuildsDirectly(t *testing.T) {
	t.Parallel()
	cases := []profileCase{
		{"plain", "plain", "privileged", false, "user 0 is 0, of 4294967295\ndevices\nuser 65535\nuser 70000\nsees itself\non overlay\n"},
		{"rootless", "rootless", "rootless", false, "user 0 is 1000, of 1\nno devices\nuser 65535\nno user 70000\nsees buildkitd\non overlay\n"},
		{"shared", "builder-amd64", "user-namespace", false, "user 0 is OTHER, of 65536\nno devices\nuser 65535\nno user 70000\nsees itself\non overlay\n"},
	}
	s := newSpace(t)
	if s.Bed.Images.Rootless == "" {
		t.Fatal("there is no rootless BuildKit image; make it with: cd e2e && go run ./testbed up")
	}
	if !s.has(userNamespaces, "the profile user-namespace confines builds") {
		cases[2].lost, cases[2].facts = true, cases[0].facts
	}
	s.giveRights(cases)
	s.defineRaw(map[string]string{
		"plain":       fmt.Sprintf(`{"Name": "plain", "Driver": "kubernetes", "Nodes": [{"Name": "plain", "DriverOpts": {"image": %q, "namespace": %q, "nodeselector": "kubernetes.io/arch=amd64"}, "Slipway": {"profile": "privileged", %s}}]}`, s.Bed.Images.BuildKit, s.Name, gcOf),
		"rootless":    fmt.Sprintf(`{"Name": "rootless", "Driver": "kubernetes", "Nodes": [{"Name": "rootless", "DriverOpts": {"image": %q, "namespace": %q, "nodeselector": "kubernetes.io/arch=amd64", "persistent-volume-claim.requests.storage": "1Gi"}, "Slipway": {"profile": "rootless", "storageClass": %[2]q, %[3]s}}]}`, s.Bed.Images.Rootless, s.Name, gcOf),
		"shared.yaml": s.recommended(),
	})
	s.kubectl(localVolume(s.Name), "create", "-f", "-")
	t.Cleanup(func() { s.kubectlCleanup("delete", "persistentvolume", s.Name, "--wait=false") })
	// The agent's cluster node has the folder of the volume, made for its pod.
	a := s.startAgentFrom("agent", strings.NewReplacer(
		"spec:\n", "spec:\n  nodeSelector: {kubernetes.io/arch: amd64}\n",
		"volumeMounts:\n", "volumeMounts:\n        - {name: claim, mountPath: /claim}\n",
		"volumes:\n", "volumes:\n    - {name: claim, hostPath: {path: /var/tmp/slipway-"+s.Name+", type: DirectoryOrCreate}}\n",
	).Replace(s.agentManifest("agent", s.Bed.Images.Agent)))
	a.write("Dockerfile", profileDockerfile)

	const build = "slipway --builder $b --transport direct build --progress plain --platform linux/amd64 "
	a.ok("for b in plain rootless shared; do " + build + a.base() + "-o out-$b . > $b.log 2>&1 || echo \"exit $?\" >> $b.log & done; wait")
	for _, c := range cases {
		facts := a.sh("cat out-" + c.builder + "/facts; cat out-" + c.builder + "/machine || cat " + c.builder + ".log").stdout
		facts = regexp.MustCompile(`user 0 is [0-9]{5,}`).ReplaceAllString(facts, "user 0 is OTHER")
		want(t, c.profile, facts, c.facts+"aarch64\n")
		checkProfile(a, c)
	}

	want(t, "class of the claim", s.kubectl("", "get", "persistentvolumeclaim", "buildkitd-rootless-0", "-o", "jsonpath={.spec.storageClassName} {.status.phase}"), s.Name+" Bound")
	s.kubectl("", "delete", "pod", "rootless-0")
	if r := a.sh("b=rootless; " + build + a.base() + "-o again . && cmp again/facts out-rootless/facts"); r.code != 0 || strings.Count(r.stderr, " CACHED\n") < 6 {
		t.Errorf("a new pod does not have the cache of the claim: exit %d\n%s", r.code, r.stderr)
	}
	a.sh("rm -rf /claim/*")
}

// checkProfile looks at what inspect and the doctor tell of a builder.
func checkProfile(a *agent, c profileCase) {
	a.t.Helper()
	node := inspect(a, c.builder).Nodes[0]
	running := c.profile
	verdict, detail := "ok", c.profile+": "
	if c.lost {
		running = "privileged"
		verdict, detail = "warning", "the definition asks for "+c.profile+", but pod builder-amd64-"
	}
	if len(node.Pods) != 1 || node.Pods[0].Profile != running || node.Pods[0].Transport != "direct" {
		a.t.Errorf("inspect of %s: %+v", c.builder, node)
	}
	// The percentages are of the disk, which only buildkitd knows.
	set := 0
	for _, r := range node.GCPolicy {
		if r.ReservedSpace == 10<<30 && r.MaxUsedSpace > r.MinFreeSpace && r.MinFreeSpace > 0 {
			set++
		}
	}
	if set != 3 { // the first of buildkitd's four rules has bounds of its own
		a.t.Errorf("inspect of %s: rules %+v", c.builder, node.GCPolicy)
	}
	advised := false
	for _, check := range a.doctor(c.builder) {
		if check.About != c.node {
			continue
		}
		switch check.Probe {
		case "profile":
			if check.Verdict != verdict || !strings.HasPrefix(check.Detail, detail) {
				a.t.Errorf("doctor of %s: %+v", c.builder, check)
			}
			advised = slices.ContainsFunc(check.Hints, func(h string) bool { return strings.Contains(h, "profile: user-namespace") })
		case "transport":
			for _, way := range []string{"direct", "portforward", "exec"} {
				if check.Verdict != "ok" || !strings.Contains(check.Detail, way+": latency ") {
					a.t.Errorf("doctor of %s: %s: %+v", c.builder, way, check)
				}
			}
		case "certificates":
			if check.Verdict != "ok" || !regexp.MustCompile(`^end on [0-9-]{10}, in 36[45] days$`).MatchString(check.Detail) {
				a.t.Errorf("doctor of %s: %+v", c.builder, check)
			}
		}
	}
	if advised != (c.profile == "privileged" && userNamespaces.missing(a.Bed) == "") {
		a.t.Errorf("doctor of %s: advises user namespaces: %t", c.builder, advised)
	}
}

// check is what scripts read of slipway doctor.
type check struct {
	Probe, About, Verdict, Detail string
	Hints                         []string
}

// doctor asks about a builder, which must not have failures.
func (a *agent) doctor(builder string) []check {
	a.t.Helper()
	var checks []check
	text := a.ok("slipway doctor --format json " + builder)
	if err := json.Unmarshal([]byte(text), &checks); err != nil || len(checks) == 0 {
		a.t.Fatalf("%v:\n%s", err, text)
	}
	return checks
}

// giveRights gives the agent the roles of the demo for the nodes of the cases,
// and a look at the cluster nodes.
func (s *space) giveRights(cases []profileCase) {
	s.t.Helper()
	var names []string
	for _, c := range cases {
		names = append(names, c.node+"-tls", c.node+"-tls-client")
	}
	for _, role := range []string{"slipway-build", "slipway-manage"} {
		text := regexp.MustCompile(`resourceNames: \[.*\]`).ReplaceAllString(demoRole(s.t, role), "resourceNames: ["+strings.Join(names, ", ")+"]")
		s.kubectl(text, "create", "-f", "-")
		s.kubectl("", "create", "rolebinding", role, "--role="+role, "--serviceaccount="+s.Name+":agent")
	}
	s.kubectl("", "create", "clusterrole", s.Name, "--verb=list", "--resource=nodes")
	s.kubectl("", "create", "clusterrolebinding", s.Name, "--clusterrole="+s.Name, "--serviceaccount="+s.Name+":agent")
	s.t.Cleanup(func() { s.kubectlCleanup("delete", "clusterrole,clusterrolebinding", s.Name) })
}

// recommended is the definition of docs/profiles.md, with the image and the
// namespace of the space.
func (s *space) recommended() string {
	s.t.Helper()
	found := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(readFile(s.t, "../docs/profiles.md"))
	if found == nil {
		s.t.Fatal("the page has no definition")
	}
	return strings.ReplaceAll(found[1], "namespace: buildkit\n", "namespace: "+s.Name+"\n      image: "+s.Bed.Images.BuildKit+"\n")
}

// localVolume is a volume of a storage class of its own, of a type whose group
// the kubelet sets, which a builder without root needs.
func localVolume(name string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: %[1]s}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: %[1]s
  local: {path: /var/tmp/slipway-%[1]s}
  nodeAffinity:
    required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/arch, operator: In, values: [amd64]}]}]}
`, name)
}
