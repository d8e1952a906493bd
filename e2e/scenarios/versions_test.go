package scenarios

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// versioned is a row of the table of docs/clusters.md that this cluster can show.
type versioned struct {
	// feature begins the row.
	feature string
	// holds is whether the cluster has it, by default.
	holds func(a *agent) bool
}

// kept tells whether the API server keeps a field of an object.
func kept(field, manifest string) func(*agent) bool {
	return func(a *agent) bool {
		a.t.Helper()
		return a.kubectl(manifest, "create", "--dry-run=server", "--validate=ignore", "-o", "jsonpath={"+field+"}", "--filename=-") != ""
	}
}

// serves tells whether the API server has a resource of a group.
func serves(resource string) func(*agent) bool {
	return func(a *agent) bool {
		a.t.Helper()
		return strings.Contains(a.kubectl("", "get", "--raw", "/apis/admissionregistration.k8s.io/v1"), `"`+resource+`"`)
	}
}

// speaks tells whether a WebSocket of a pod speaks a protocol.
func speaks(path, protocol string) func(*agent) bool {
	return func(a *agent) bool {
		a.t.Helper()
		status, chosen, err := a.WebSocket(a.t.Context(), a.pod, path, protocol, "")
		if err != nil {
			a.t.Fatal(err)
		}
		return status == http.StatusSwitchingProtocols && chosen == protocol
	}
}

const execTrue = "exec?command=true&stdout=true"

func features() []versioned {
	const container = `containers: [{name: c, image: none}]`
	pod := func(spec string) string {
		return `{apiVersion: v1, kind: Pod, metadata: {name: probe}, spec: {` + spec + `, ` + container + `}}`
	}
	return []versioned{
		{"rules for a failed hook", kept(".spec.podFailurePolicy", `{apiVersion: batch/v1, kind: Job, metadata: {name: probe}, spec: {podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [2]}}]}, template: {spec: {restartPolicy: Never, `+container+`}}}}`)},
		{"user namespaces", kept(".spec.hostUsers", pod("hostUsers: false"))},
		{"native sidecars", kept(".spec.initContainers[0].restartPolicy", pod("initContainers: [{name: i, image: none, restartPolicy: Always}]"))},
		{"pod-level resources", kept(".spec.resources.limits.memory", pod("resources: {limits: {memory: 1Gi}}"))},
		{"admission policies", serves("validatingadmissionpolicies")},
		{"mutating admission policies", serves("mutatingadmissionpolicies")},
		{"exec over WebSocket", speaks(execTrue, "v5.channel.k8s.io")},
		{"port-forward over WebSocket", speaks("portforward?ports=7070", "SPDY/3.1+portforward.k8s.io")},
		{"the right to `create pods/exec`", func(a *agent) bool {
			a.t.Helper()
			status, _, err := a.WebSocket(a.t.Context(), a.pod, execTrue, "v5.channel.k8s.io", "agent")
			if err != nil || status != http.StatusSwitchingProtocols && status != http.StatusForbidden {
				a.t.Fatalf("a WebSocket of somebody with the right to get: %d, %v", status, err)
			}
			return status == http.StatusForbidden
		}},
	}
}

// TestFeaturesOfThisVersion compares what docs/clusters.md says of versions of
// Kubernetes with the one that runs.
func TestFeaturesOfThisVersion(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	version := s.kubectl("", "get", "--raw", "/version")
	found := regexp.MustCompile(`"gitVersion": "v1\.(\d+)`).FindStringSubmatch(version)
	if found == nil {
		t.Fatalf("the version is not known: %s", version)
	}
	minor, _ := strconv.Atoi(found[1])
	s.kubectl("", "create", "role", "get-exec", "--verb=get", "--resource=pods/exec")
	s.kubectl("", "create", "rolebinding", "get-exec", "--role=get-exec", "--serviceaccount="+s.Name+":agent")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	page := readFile(t, "../docs/clusters.md")
	for _, f := range features() {
		row := regexp.MustCompile(fmt.Sprintf(`(?m)^\| \[?%s[^|]*\| [^|]*?1\.(\d+)`, regexp.QuoteMeta(f.feature))).FindStringSubmatch(page)
		if row == nil {
			t.Errorf("the table has no row of %s with a version", f.feature)
			continue
		}
		if since, _ := strconv.Atoi(row[1]); f.holds(a) != (minor >= since) {
			t.Errorf("%s: the page says from 1.%d on; in 1.%d it is otherwise", f.feature, since, minor)
		}
	}
}
