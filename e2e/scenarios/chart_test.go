package scenarios

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/e2e/helm"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// TestChart is the life of a release: an empty namespace, an agent with no
// right but to build, changes while it builds.
func TestChart(t *testing.T) {
	t.Parallel()
	programs := helmPrograms(t)
	liveByChart(release{space: newSpace(t), program: programs[len(programs)-1]})
}

// TestChartWithOlderHelm goes through the stages of a release without builds:
// what older versions may do otherwise is how they install, upgrade, go back and
// remove, and TestChartCertificates has their templates.
func TestChartWithOlderHelm(t *testing.T) {
	t.Parallel()
	programs := helmPrograms(t)
	for _, program := range programs[:len(programs)-1] {
		t.Run("helm-"+program.Version[1:2], func(t *testing.T) {
			liveBriefly(release{space: newSpace(t), program: program})
		})
	}
}

// helmPrograms are the versions of Helm that the chart is for, the newest last.
func helmPrograms(t *testing.T) []helm.Program {
	t.Helper()
	bed, err := state.Load()
	if err != nil {
		t.Fatal(err)
	}
	programs, err := helm.All(t.TempDir(), bed.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return programs
}

func liveBriefly(r release) {
	t := r.t
	amd64, arm64 := r.builderNode("amd64"), r.builderNode("arm64")
	r.helm("install", r.values(amd64))
	first := r.definition()
	r.helm("upgrade", r.values(amd64, arm64))
	want(t, "deployments", strings.Join(r.names("deployments"), " "), "deployment.apps/builder-amd64 deployment.apps/builder-arm64")
	r.helm("rollback", "", "1")
	want(t, "definition", r.definition(), first)
	a := r.startAgent("agent", r.Bed.Images.Agent)
	a.write("Dockerfile", unameDockerfile)
	a.ok("slipway build " + a.base() + "-o out . && grep x86_64 out/machine.txt")
	r.helm("uninstall", "")
	r.leavesNothing()
	// By the command of the chart's page, which needs no notes.
	r.kubectl("", "delete", "deployment,statefulset,configmap,secret", "--selector=slipway.build/owner="+r.Name+".slipway")
	want(t, "what the command of the page leaves", strings.Join(r.names("deployments"), " "), "")
}

// leavesNothing looks for what a removed release should have taken along.
func (r release) leavesNothing() {
	r.t.Helper()
	left := r.names("roles,rolebindings,networkpolicies,poddisruptionbudgets,secrets", "--selector=app.kubernetes.io/instance=slipway")
	want(r.t, "what the release leaves", strings.Join(left, " "), "")
}

func liveByChart(r release) {
	t := r.t
	amd64, arm64 := r.builderNode("amd64"), r.builderNode("arm64")
	amd64.Slipway = map[string]any{"idleTimeout": "1ms"}

	notes := r.helm("install", r.values(amd64))
	for _, said := range []string{"serviceAccountName: agent\n", "configMap: {name: builders}\n", `service_account = "agent"`, "--platform linux/amd64 "} {
		if !strings.Contains(notes, said) {
			t.Errorf("the notes do not say %q:\n%s", said, notes)
		}
	}
	want(t, "deployments", strings.Join(r.names("deployments"), " "), "deployment.apps/builder-amd64")
	want(t, "jobs", strings.Join(r.names("jobs"), " "), "")
	r.mayNot("create", "deployments.apps")
	r.mayNot("get", "secrets")
	r.mayNot("create", "pods", "--subresource=exec")

	a := r.startAgent("agent", r.Bed.Images.Agent)
	a.write("Dockerfile", unameDockerfile)
	a.ok("slipway build " + a.base() + "-o out . && grep x86_64 out/machine.txt")

	first := r.definition()
	finish := a.buildThatWaits()
	notes = r.helm("upgrade", r.values(amd64, arm64))
	finish()
	if line := "slipway build --platform linux/amd64,linux/arm64 --tag"; !strings.Contains(notes, line) {
		t.Errorf("the notes do not say %q:\n%s", line, notes)
	}
	want(t, "deployments", strings.Join(r.names("deployments"), " "), "deployment.apps/builder-amd64 deployment.apps/builder-arm64")
	late := r.startAgent("late", r.Bed.Images.Agent)
	late.write("Dockerfile", unameDockerfile)
	late.ok("slipway build " + both + late.base() + "-o out . && grep aarch64 out/linux_arm64/machine.txt")

	broken := r.builderNode("amd64", "image=slipway.test/absent:1")
	broken.Name = "builder-broken"
	out, err := r.run("upgrade", r.values(amd64, arm64, broken))
	if err == nil || !strings.Contains(out+err.Error(), "slipway.test/absent:1") {
		t.Errorf("an upgrade to an image that is not there: %v, and it says %s", err, out)
	}
	want(t, "jobs", strings.Join(r.names("jobs"), " "), "job.batch/slipway-up")
	// It was not tried again, and the reason stands in the status of the pod.
	pods := r.names("pods", "--selector=job-name=slipway-up")
	message := r.kubectl("", "get", "pods", "--selector=job-name=slipway-up", "-o", "jsonpath={.items[*].status.containerStatuses[*].state.terminated.message}")
	if len(pods) != 1 || !strings.Contains(message, "error: ") || !strings.Contains(message, "slipway.test/absent:1") {
		t.Errorf("the hook's pods %q say %q", pods, message)
	}

	finish = a.buildThatWaits()
	r.helm("rollback", "", "1")
	finish()
	want(t, "definition", r.definition(), first)
	a.ok("slipway build " + a.base() + "-o again .")
	// What the rollback took out of the definition goes, and what is idle
	// sleeps until an agent wakes it that may only build.
	r.kubectl("", "create", "job", "gc", "--from=cronjob/slipway-gc")
	r.kubectl("", "wait", "job/gc", "--for=condition=Complete", "--timeout="+patience.String())
	want(t, "deployments after gc", strings.Join(r.names("deployments"), " "), "deployment.apps/builder-amd64")
	r.kubectl("", "delete", "job", "gc")
	want(t, "replicas of what sleeps", r.replicas(), "0")

	finish = a.buildThatWaits()
	r.helm("uninstall", "")
	finish()
	r.leavesNothing()
	want(t, "what stays", strings.Join(r.names("deployments"), " "), "deployment.apps/builder-amd64")
	for line := range strings.Lines(notes) {
		if command, ok := strings.CutPrefix(strings.TrimSpace(line), "kubectl --namespace "+r.Name+" "); ok {
			r.kubectl("", strings.Fields(command)...)
		}
	}
	for _, kind := range []string{"secrets", "configmaps"} {
		if left := strings.Join(r.names(kind), " "); strings.Contains(left, "builder-amd64") {
			t.Errorf("the commands of the notes leave %s", left)
		}
	}
	want(t, "what the commands of the notes leave", strings.Join(r.names("deployments"), " "), "")
}

// TestChartInSeveralNamespaces has agents, builders and the release each in a
// namespace of their own, and buildx beside slipway.
func TestChartInSeveralNamespaces(t *testing.T) {
	t.Parallel()
	programs := helmPrograms(t)
	builders, agents := newSpace(t), newSpace(t)
	r := release{space: newSpace(t), program: programs[len(programs)-1]}
	n := builders.builderNode("amd64")
	values := r.valuesFor(map[string]any{
		"agents": []map[string]any{{"namespace": agents.Name, "serviceAccount": "agent"}},
		"rbac":   map[string]any{"exec": true}, // for buildx
	}, n)
	// Nothing but builders may need more.
	r.kubectl("", "label", "namespace", r.Name, "pod-security.kubernetes.io/enforce=restricted")
	r.helm("install", values)
	want(t, "deployments", strings.Join(builders.names("deployments"), " "), "deployment.apps/builder-amd64")
	a := agents.startAgent("agent", builders.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	a.ok("slipway build -o out . && cmp Dockerfile out/Dockerfile")
	if listed := a.ok("slipway ls"); !strings.Contains(listed, builders.Name+"/builder-amd64") {
		t.Errorf("slipway ls:\n%s", listed)
	}
	// Builds by exec go on, and it is a way to nothing else.
	a.ok("slipway build --transport exec -o exec . && cmp Dockerfile exec/Dockerfile")
	pod := strings.TrimPrefix(builders.names("pods", "--selector=app=builder-amd64")[0], "pod/")
	as := "--as=system:serviceaccount:" + agents.Name + ":agent"
	// kubectl exec would read the pod first, for which agents have no right.
	connect := func(container string, command ...string) string {
		query := url.Values{"container": {container}, "command": command, "stdout": {"true"}}
		_, err := builders.Run(t.Context(), "{}", as, "create", "-f", "-", "--raw", "/api/v1/namespaces/"+builders.Name+"/pods/"+pod+"/exec?"+query.Encode())
		return fmt.Sprint(err)
	}
	const policy = "agents may run buildctl dial-stdio in the container buildkitd and nothing else"
	for _, refused := range [][]string{{"buildkitd", "id"}, {"buildkitd", "buildctl", "dial-stdio", "--addr", "tcp://10.96.0.1:443"}, {"other", "buildctl", "dial-stdio"}} {
		if said := connect(refused[0], refused[1:]...); !strings.Contains(said, policy) {
			t.Errorf("exec of %q: %s", refused, said)
		}
	}
	// It takes more than a plain request, but the policy has nothing against it.
	if said := connect("buildkitd", "buildctl", "dial-stdio"); strings.Contains(said, policy) || !strings.Contains(strings.ToLower(said), "upgrade") {
		t.Errorf("exec of buildctl dial-stdio: %s", said)
	}
	if builders.Bed.Images.Peer == "" {
		t.Fatal("there is no peer image; make it with: cd e2e && go run ./testbed peer")
	}
	peer := agents.startAgent("peer", builders.Bed.Images.Peer)
	peer.write("Dockerfile", smallDockerfile)
	peer.ok("mkdir -p ~/.docker/buildx/instances && cp -L /etc/slipway/definitions/kube ~/.docker/buildx/instances/")
	peer.ok("buildx build --builder kube --output type=local,dest=out . >&2 && cmp Dockerfile out/Dockerfile")
	r.helm("uninstall", "")
	for _, name := range r.names("validatingadmissionpolicies,validatingadmissionpolicybindings") {
		if strings.Contains(name, r.Name) {
			t.Errorf("the release leaves %s", name)
		}
	}
}

// TestChartCertificates connects with certificates that Helm has made, and
// only so: an upgrade keeps them and makes those of a new node.
func TestChartCertificates(t *testing.T) {
	t.Parallel()
	programs := helmPrograms(t)
	for _, program := range programs {
		t.Run("helm-"+program.Version[1:2], func(t *testing.T) {
			t.Parallel()
			r := release{space: newSpace(t), program: program}
			values := func(nodes ...node) string {
				for i := range nodes {
					nodes[i].Slipway = map[string]any{"transport": "direct"}
				}
				return r.valuesFor(map[string]any{
					"agents":       []map[string]any{{"serviceAccount": "agent"}},
					"certificates": map[string]any{"mode": "helm"},
				}, nodes...)
			}
			made := func() string {
				return r.kubectl("", "get", "secrets", "slipway-builder-amd64-server", "slipway-builder-amd64-client", "-o", "jsonpath={.items[*].data}")
			}
			r.helm("install", values(r.builderNode("amd64")))
			before := made()
			r.helm("upgrade", values(r.builderNode("amd64"), r.builderNode("arm64")))
			if made() != before {
				t.Error("the upgrade has made certificates that were there")
			}
			r.mayNot("create", "pods", "--subresource=exec")
			a := r.startAgent("agent", r.Bed.Images.Agent)
			a.write("Dockerfile", unameDockerfile)
			a.ok("slipway build " + both + a.base() + "-o out . && grep aarch64 out/linux_arm64/machine.txt")
			if secrets := strings.Join(r.names("secrets"), " "); strings.Contains(secrets, "-tls") {
				t.Errorf("slipway has made certificates of its own: %s", secrets)
			}
		})
	}
}

// release is the chart's release "slipway" in a namespace.
type release struct {
	*space
	program helm.Program
}

// helm runs a command on the release, which must succeed.
func (r release) helm(command, values string, more ...string) string {
	r.t.Helper()
	out, err := r.run(command, values, more...)
	if err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	return out
}

func (r release) run(command, values string, more ...string) (string, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*patience)
	defer cancel()
	args := append([]string{command, "slipway"}, more...)
	if values != "" {
		args = append(args, "../../charts/slipway", "--values", values)
	}
	return r.program.Run(ctx, append(args, "--namespace", r.Name, "--timeout", patience.String())...)
}

// values are those of a release whose agents are the service account "agent".
func (r release) values(nodes ...node) string {
	return r.valuesFor(map[string]any{"agents": []map[string]any{{"serviceAccount": "agent"}, {"create": true}}}, nodes...)
}

// valuesFor writes values into a file and returns its path.
func (r release) valuesFor(more map[string]any, nodes ...node) string {
	r.t.Helper()
	repository, tag, ok := cutLast(r.Bed.Images.Agent, ":")
	if !ok {
		r.t.Fatalf("image %s has no tag", r.Bed.Images.Agent)
	}
	var list []map[string]any
	for _, n := range nodes {
		one := map[string]any{
			"name":       n.Name,
			"platforms":  []string{n.Platforms[0]["os"] + "/" + n.Platforms[0]["architecture"]},
			"driverOpts": n.DriverOpts,
		}
		if n.Slipway != nil {
			one["slipway"] = n.Slipway
		}
		list = append(list, one)
	}
	values := map[string]any{
		"builders":    map[string]any{"kube": map[string]any{"nodes": list}},
		"definitions": map[string]any{"name": "builders"},
		"image":       map[string]any{"repository": repository, "tag": tag},
		"gc":          map[string]any{"olderThan": "0s", "schedule": "0 0 30 2 *"}, // never but when asked to
	}
	maps.Copy(values, more)
	raw, err := json.Marshal(values)
	if err != nil {
		r.t.Fatal(err)
	}
	path := filepath.Join(r.t.TempDir(), "values.yaml")
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		r.t.Fatal(err)
	}
	return path
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}

// definition is what the ConfigMap of the agents holds.
func (r release) definition() string {
	r.t.Helper()
	return r.kubectl("", "get", "configmap", "builders", "-o", "jsonpath={.data.kube}")
}

// mayNot fails when agents may do something.
func (r release) mayNot(verbAndResource ...string) {
	r.t.Helper()
	args := append([]string{"auth", "can-i"}, verbAndResource...)
	answer, err := r.Run(r.t.Context(), "", append(args, "--as=system:serviceaccount:"+r.Name+":agent")...)
	if no := (*exec.ExitError)(nil); err != nil && !errors.As(err, &no) { // "no" is exit code 1
		r.t.Fatal(err)
	}
	want(r.t, "agent may "+strings.Join(verbAndResource, " "), strings.TrimSpace(answer), "no")
}

// buildThatWaits starts a build and returns once its only step runs. The
// function that it returns lets the step end, and the build must succeed.
func (a *agent) buildThatWaits() (finish func()) {
	a.t.Helper()
	ip := strings.TrimSpace(a.kubectl("", "get", "pod", a.pod, "-o", "jsonpath={.status.podIP}"))
	a.write("waits/Dockerfile", "FROM base\nRUN until wget -q -O /answer http://"+urlHost(ip)+":8080/go; do sleep 0.1; done\n")
	a.ok("mkdir -p /tmp/www && { pidof httpd || httpd -p 8080 -h /tmp/www; }")
	a.ok("rm -f /tmp/www/go /tmp/log /tmp/code")
	a.ok("(slipway build --no-cache --progress plain " + a.base() + "waits > /tmp/log 2>&1; echo $? > /tmp/code) < /dev/null > /dev/null 2>&1 &")
	a.until("the step runs", "grep -q 'RUN until wget' /tmp/log")
	return func() {
		a.t.Helper()
		want(a.t, "a build that is over too early", a.sh("cat /tmp/code").stdout, "")
		a.ok("echo > /tmp/www/go")
		a.until("the build ends", "test -s /tmp/code")
		want(a.t, "exit code of the build", a.ok("cat /tmp/code"), "0\n")
		if a.t.Failed() {
			a.t.Log(a.ok("cat /tmp/log"))
		}
	}
}
