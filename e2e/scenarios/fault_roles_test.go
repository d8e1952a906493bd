package scenarios

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// part is a subtest that calls the helpers of the space.
func (s *space) part(name string, do func(t *testing.T)) {
	s.t.Helper()
	s.t.Run(name, func(t *testing.T) {
		outer := s.t
		s.t = t
		defer func() { s.t = outer }()
		do(t)
	})
}

// bringIntruder puts the program of e2e/faults/intruder into the agent's pod.
func (a *agent) bringIntruder() {
	a.t.Helper()
	file, err := intruderProg()
	if err != nil {
		a.t.Fatal(err)
	}
	program, err := os.ReadFile(file)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write("/tmp/intruder", string(program))
	a.ok("chmod 755 /tmp/intruder")
}

// answer is what the API server says to a request with the agent's token.
type answer struct {
	request string
	status  int
	body    string
}

// intrude sends requests from the agent's pod with its token.
func (a *agent) intrude(requests ...string) []answer {
	a.t.Helper()
	script := "/tmp/intruder"
	for _, r := range requests {
		script += " '" + r + "'"
	}
	var all []answer
	for line := range strings.Lines(a.ok(script)) {
		got := answer{request: requests[len(all)]}
		status, quoted, _ := strings.Cut(strings.TrimSpace(line), " ")
		scan(a.t, status, &got.status)
		body, err := strconv.Unquote(quoted)
		if err != nil {
			a.t.Fatalf("answer %q: %v", line, err)
		}
		got.body = body
		all = append(all, got)
	}
	if len(all) != len(requests) {
		a.t.Fatalf("%d answers to %d requests", len(all), len(requests))
	}
	return all
}

// upgrades are the requests for a subresource of a pod by both protocols.
func (s *space) upgrades(pod, subresource string, query url.Values) []string {
	path := fmt.Sprintf(":/api/v1/namespaces/%s/pods/%s/%s?%s", s.Name, pod, subresource, query.Encode())
	return []string{"WEBSOCKET" + path, "SPDY" + path}
}

// execs are the requests to run a command in a container of a pod; in the
// default one where the name is empty.
func (s *space) execs(pod, container string, command ...string) []string {
	query := url.Values{"command": command, "stdout": {"true"}, "stdin": {"true"}}
	if container != "" {
		query.Set("container", container)
	}
	return s.upgrades(pod, "exec", query)
}

// TestFaultShellInOtherPods has an agent with the chart's role to build reach
// for the pods beside it, with its own token. The release, its builder and the
// agents share a namespace, so that nothing but the role and, with rbac.exec,
// the policy is between them.
func TestFaultShellInOtherPods(t *testing.T) {
	t.Parallel()
	long(t)
	programs := helmPrograms(t)
	r := release{space: newSpace(t), program: programs[len(programs)-1]}
	n := r.builderNode("amd64")
	withExec := func(on bool) string {
		return r.valuesFor(map[string]any{"agents": []map[string]any{{"serviceAccount": "agent"}}, "rbac": map[string]any{"exec": on}}, n)
	}
	r.helm("install", withExec(false))
	a := r.startAgent("agent", r.Bed.Images.Agent)
	a.bringIntruder()
	r.startAgent("neighbour", r.Bed.Images.Agent)
	r.startJobPods()
	builder := a.builderPod()
	others := []struct{ pod, container, what string }{
		{"slipway-gc", "gc", "slipway gc"}, {"slipway-up", "gc", "slipway up"}, {"neighbour", "agent", "another agent"},
	}

	refused := func(what, by, words string, requests ...string) {
		r.part(what, func(t *testing.T) {
			row := plant(t, "rights", what)
			for _, got := range a.intrude(requests...) {
				row.held(leak, got.status >= 400 && strings.Contains(got.body, words), "%s: answered %d %q", got.request, got.status, got.body)
			}
			row.refused(by)
		})
	}
	const byRole = `is forbidden: User \"`
	dial := []string{"buildctl", "dial-stdio"}
	for _, of := range append(slices.Clone(others), struct{ pod, container, what string }{builder, "buildkitd", "a builder"}) {
		refused("a shell in the pod of "+of.what+" with the role to build", "RBAC", byRole, slices.Concat(
			r.execs(of.pod, of.container, "sh", "-c", "id"), r.execs(of.pod, of.container, dial...), r.execs(of.pod, "", "id"),
			r.upgrades(of.pod, "attach", url.Values{"stdout": {"true"}, "stdin": {"true"}}),
		)...)
	}
	space := ":/api/v1/namespaces/" + r.Name
	refused("ways around exec with the role to build", "RBAC", byRole,
		"PATCH"+space+"/pods/"+builder+"/ephemeralcontainers",
		"PATCH"+space+"/pods/"+builder,
		"GET"+space+"/pods/"+builder+"/proxy/",
		"GET:/api/v1/nodes/node1/proxy/pods",
		"POST"+space+"/pods",
		"POST"+space+"/serviceaccounts/slipway-gc/token",
		"POST"+space+"/serviceaccounts/slipway-manager/token",
		"GET"+space+"/secrets",
		"GET"+space+"/secrets/builder-amd64-tls",
		"DELETE"+space+"/pods/"+builder,
		"PATCH:/apis/apps/v1/namespaces/"+r.Name+"/deployments/builder-amd64",
	)
	r.part("log", func(t *testing.T) {
		row := plant(t, "rights", "the log of a builder after a build that prints a secret")
		const printed, secret = "printed-51f0c2", "canary-7d20be"
		a.write("Dockerfile", "FROM base\nRUN --mount=type=secret,id=token,env=TOKEN echo "+printed+" $TOKEN\n")
		built := row.run(a, "TOKEN="+secret+" slipway build --no-cache "+a.base()+"--secret id=token,env=TOKEN .")
		got := a.intrude("GET" + space + "/pods/" + builder + "/log?container=buildkitd")[0]
		if got.status != 200 || got.body == "" {
			t.Errorf("the log: %d %q", got.status, got.body)
		}
		for _, not := range []string{printed, secret} {
			row.held(leak, !strings.Contains(got.body, not), "the log has %q:\n%s", not, got.body)
		}
		row.survived(built)
	})

	r.helm("upgrade", withExec(true))
	policy := r.Name + "-slipway-exec"
	t.Cleanup(func() {
		r.kubectlCleanup("delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", policy, "--ignore-not-found")
	})
	if now := a.builderPod(); now != builder {
		t.Fatalf("the upgrade has replaced pod %s by %s", builder, now)
	}
	allowed := r.execs(builder, "buildkitd", dial...)[0]
	const command = "agents may run buildctl dial-stdio in the container buildkitd and nothing else"
	const pods = "agents may connect to builders and no other pods"
	r.eventually("rbac.exec is in force", func() bool {
		// The role and the policy are read by watches.
		return a.intrude(allowed)[0].status == 101 && strings.Contains(a.intrude(r.execs(builder, "buildkitd", "id")[0])[0].body, command)
	})
	requests := r.execs(builder, "", dial...)
	for _, tried := range [][]string{
		{"sh", "-c", "id"}, {"buildctl"}, {"buildctl", "debug", "workers"}, {"dial-stdio", "buildctl"},
		{"buildctl", "dial-stdio", "--addr", "tcp://10.96.0.1:443"}, {"/usr/bin/buildctl", "dial-stdio"}, {"sh", "-c", "buildctl dial-stdio"},
	} {
		requests = append(requests, r.execs(builder, "buildkitd", tried...)...)
	}
	requests = append(requests, r.execs(builder, "other", dial...)...)
	refused("another command in a builder with rbac.exec", "the policy", command, requests...)
	for _, of := range others {
		refused("a command in the pod of "+of.what+" with rbac.exec", "the policy", command, append(r.execs(of.pod, of.container, "sh", "-c", "id"), r.execs(of.pod, of.container, dial...)...)...)
		refused("a builder's command in the pod of "+of.what+" with rbac.exec", "the policy", pods, r.execs(of.pod, "buildkitd", dial...)...)
		refused("a port of the pod of "+of.what+" with rbac.exec", "the policy", pods, r.upgrades(of.pod, "portforward", url.Values{"ports": {"1234"}})...)
		refused("the terminal of the pod of "+of.what+" with rbac.exec", "RBAC", byRole, r.upgrades(of.pod, "attach", url.Values{"stdin": {"true"}})...)
	}
	// The requests are good ones: without the policy one of them is a shell.
	r.kubectl("", "delete", "validatingadmissionpolicybinding", policy)
	r.eventually("without the policy it is a shell", func() bool {
		got := a.intrude(r.execs("neighbour", "agent", "sh", "-c", "id")[0])[0]
		return got.status == 101 && strings.Contains(got.body, "uid=0(root)")
	})
}

// startJobPods starts pods as the chart's Jobs have them, under their service
// accounts, that stay.
func (r release) startJobPods() {
	r.t.Helper()
	var spec map[string]any
	if err := json.Unmarshal([]byte(r.kubectl("", "get", "cronjob", "slipway-gc", "-o", "jsonpath={.spec.jobTemplate.spec.template.spec}")), &spec); err != nil {
		r.t.Fatal(err)
	}
	containers, ok := spec["containers"].([]any)
	if !ok || len(containers) == 0 {
		r.t.Fatalf("the Job's pod has no container: %v", spec)
	}
	container, ok := containers[0].(map[string]any)
	if !ok {
		r.t.Fatalf("the Job's container is %v", containers[0])
	}
	container["command"], container["args"] = []string{"sleep", "infinity"}, []string{}
	spec["terminationGracePeriodSeconds"] = 0
	for name, account := range map[string]string{"slipway-gc": "slipway-gc", "slipway-up": "slipway-manager"} {
		spec["serviceAccountName"], spec["serviceAccount"] = account, account
		pod, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]string{"name": name}, "spec": spec})
		if err != nil {
			r.t.Fatal(err)
		}
		r.kubectl(string(pod), "create", "-f", "-")
	}
	r.kubectl("", "wait", "pod/slipway-gc", "pod/slipway-up", "--for=condition=Ready", "--timeout="+patience.String())
}

// disguise is how a pod passes itself off as a builder's.
type disguise struct {
	what string
	// kind is that of its owner, which has a name that the workload's owner of
	// pods might have; empty for a pod that nobody owns.
	kind string
	// args are buildkitd's, beside the address of its socket.
	args []string
	// deaf is true where it lacks the annotation that it listens.
	deaf bool
	// words are why transports with certificates do not take it.
	words string
}

const (
	plainListener = "--addr=tcp://0.0.0.0:1234"
	notOwned      = "is none of deployment builder-amd64"
)

// strangersCertificate are the arguments of a buildkitd that shows a certificate
// of another authority for the builder's name, and takes any client.
func strangersCertificate() []string {
	return []string{plainListener, "--tlscert=/tls/tls.crt", "--tlskey=/tls/tls.key"}
}

// strangersSecret makes the Secret with that certificate.
func (s *space) strangersSecret() {
	s.t.Helper()
	now := time.Now()
	stranger := newAuthority(s.t, now)
	certificate, key := stranger.sign(s.t, "buildkitd.builder-amd64."+s.Name, now.Add(-time.Hour), 24*time.Hour)
	s.putCertificate("impostor", stranger.pem, certificate, key)
}

// startImpostor starts a pod with the labels and annotations of a builder's
// pod, which runs a buildkitd of its own, and returns its name. remove takes it
// away again.
func (s *space) startImpostor(of string, d disguise) (pod string, remove func()) {
	s.t.Helper()
	var real struct {
		Metadata struct{ Labels, Annotations map[string]string }
	}
	if err := json.Unmarshal([]byte(s.kubectl("", "get", "pod", of, "-o", "json")), &real); err != nil {
		s.t.Fatal(err)
	}
	mark := fmt.Sprintf("x%d", time.Now().UnixNano()%1e9)
	labels, annotations := real.Metadata.Labels, real.Metadata.Annotations
	labels["impostor"] = mark
	// The ReplicaSet of the builder would take a pod with its hash for its own.
	delete(labels, "pod-template-hash")
	name := "impostor-" + mark
	switch d.kind {
	case "ReplicaSet":
		name, labels["pod-template-hash"] = "builder-amd64-"+mark, mark
	case "StatefulSet":
		name = "builder-amd64"
	}
	if d.deaf {
		delete(annotations, "slipway.build/tls")
	}
	template := map[string]any{
		"metadata": map[string]any{"labels": labels, "annotations": annotations},
		"spec": map[string]any{
			"terminationGracePeriodSeconds": 0,
			"nodeSelector":                  map[string]string{"kubernetes.io/arch": "amd64"},
			"containers": []any{map[string]any{
				"name": "buildkitd", "image": s.Bed.Images.BuildKit,
				"args":            append([]string{"--addr=unix:///run/buildkit/buildkitd.sock"}, d.args...),
				"securityContext": map[string]any{"privileged": true},
				"readinessProbe":  map[string]any{"exec": map[string]any{"command": []string{"buildctl", "debug", "workers"}}, "periodSeconds": 1, "timeoutSeconds": 30},
				"volumeMounts":    []any{map[string]string{"name": "tls", "mountPath": "/tls"}},
			}},
			"volumes": []any{map[string]any{"name": "tls", "secret": map[string]any{"secretName": "impostor", "optional": true}}},
		},
	}
	object := map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": name, "labels": labels, "annotations": annotations}, "spec": template["spec"]}
	ready := "condition=Ready"
	if d.kind != "" {
		// No labels, by which the Deployment would take it for its own.
		object = map[string]any{"apiVersion": "apps/v1", "kind": d.kind, "metadata": map[string]any{"name": name}, "spec": map[string]any{
			"replicas": 1, "selector": map[string]any{"matchLabels": map[string]string{"impostor": mark}}, "template": template,
		}}
		ready = "jsonpath={.status.readyReplicas}=1"
	}
	raw, err := json.Marshal(object)
	if err != nil {
		s.t.Fatal(err)
	}
	s.kubectl(string(raw), "create", "-f", "-")
	kind := cmp.Or(d.kind, "Pod")
	s.kubectl("", "wait", kind+"/"+name, "--for="+ready, "--timeout="+patience.String())
	pods := s.names("pods", "--selector=impostor="+mark)
	if len(pods) != 1 {
		s.t.Fatalf("pods of the impostor: %v, want one", pods)
	}
	return strings.TrimPrefix(pods[0], "pod/"), func() { s.kubectl("", "delete", kind, name, "--wait=false") }
}

// reached says which builds a buildkitd has had.
func (s *space) reached(pod string) string {
	s.t.Helper()
	_, records, _ := strings.Cut(s.kubectl("", "exec", pod, "--", "buildctl", "debug", "histories"), "\n")
	return records
}

// buildBy builds there by itself, so that it is known that its history would
// show a build.
func (s *space) buildBy(pod string) {
	s.t.Helper()
	s.kubectl("", "exec", pod, "--", "sh", "-c", "mkdir /c && printf 'FROM scratch\nCOPY Dockerfile /\n' > /c/Dockerfile && buildctl build --frontend dockerfile.v0 --local context=/c --local dockerfile=/c")
	if s.reached(pod) == "" {
		s.t.Errorf("the history of pod %s shows no build", pod)
	}
}

// noOutput checks that there is nothing at "out".
func (f *planted) noOutput(a *agent) {
	f.t.Helper()
	left := a.sh("ls -A out 2> /dev/null")
	f.held(partialOutput, left.code != 0, "there is an output: %q", left.stdout)
}

// jobOf is a job of a repository: what chooses the pod.
func jobOf(project string) string {
	return "export GITLAB_CI=true CI_SERVER_URL=https://gitlab.example CI_PROJECT_DIR=$PWD CI_PROJECT_PATH=team/" + project + "; "
}

// refusedPod is what a build says of a pod that it chose and does not use.
func refusedPod(pod string) string { return "pod " + pod + " does not answer" }

// preferring finds a repository whose builds choose the pod first.
func (a *agent) preferring(pod, transport string) string {
	a.t.Helper()
	return strings.TrimSpace(a.ok("for i in $(seq 40); do " + jobOf("$i") + debugBuild + "--transport " + transport + " 2> log || { cat log >&2; exit 1; }; " +
		"if grep -qE '" + refusedPod(pod) + "|pod=" + pod + "' log; then echo $i; exit; fi; done; echo 'no build chose it' >&2; exit 1"))
}

// TestFaultImpostorOfABuilder has pods that pass themselves off as those of a
// builder with certificates, and builds that choose them.
func TestFaultImpostorOfABuilder(t *testing.T) {
	t.Parallel()
	long(t)
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"))
	s.strangersSecret()
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	a.ok("slipway up >&2")
	own := a.builderPod()

	s.part("labels", func(t *testing.T) {
		row := plant(t, "rights", "a pod with a builder's labels and annotations that nobody owns")
		pod, remove := s.startImpostor(own, disguise{args: strangersCertificate()})
		defer remove()
		if listed := a.ok("slipway inspect"); strings.Contains(listed, pod) || !strings.Contains(listed, own) {
			t.Errorf("slipway inspect does not tell the pods apart:\n%s", listed)
		}
		for _, transport := range []string{"auto", "direct", "portforward", "exec"} {
			r := row.run(a, debugBuild+"--transport "+transport)
			row.survived(r)
			row.held(leak, !strings.Contains(r.stderr, pod), "by %s it is asked:\n%s", transport, r.stderr)
		}
		row.held(leak, s.reached(pod) == "", "builds are on it:\n%s", s.reached(pod))
		s.buildBy(pod)
	})
	for _, d := range []disguise{
		{what: "does not listen", kind: "ReplicaSet", words: "connection refused"},
		{what: "listens without TLS", kind: "ReplicaSet", args: []string{plainListener}, words: "does not speak TLS"},
		{what: "has another certificate", kind: "ReplicaSet", args: strangersCertificate(), words: "signed by another authority"},
		{what: "says that it does not listen", kind: "ReplicaSet", deaf: true, words: "takes no TLS connections"},
		{what: "is of a StatefulSet with the builder's name", kind: "StatefulSet", words: "connection refused"},
	} {
		s.part(d.what, func(t *testing.T) {
			pod, remove := s.startImpostor(own, d)
			defer remove()
			project := a.preferring(pod, "direct")
			for _, transport := range []string{"auto", "direct", "portforward", "exec"} {
				s.part(transport, func(t *testing.T) {
					row := plant(t, "rights", "a pod that passes for a builder's "+d.what+", by "+transport)
					before, words := s.reached(pod), d.words
					if transport == "exec" || transport == "auto" && d.deaf {
						words = notOwned
					}
					r := row.run(a, jobOf(project)+debugBuild+"--metadata-file meta.json --transport "+transport)
					row.survived(r)
					if !strings.Contains(r.stderr, refusedPod(pod)) || !strings.Contains(r.stderr, words) {
						t.Errorf("the log does not say %q of pod %s:\n%s", words, pod, r.stderr)
					}
					row.held(leak, a.podOf() == own, "the build was on pod %s and not on %s", a.podOf(), own)
					records := s.reached(pod)
					row.held(leak, records == before, "builds are on it:\n%s", records)
				})
			}
			if !t.Failed() {
				s.buildBy(pod)
			}
		})
	}
}

// TestFaultImpostorOfABuilderOfBuildx has such pods beside a builder that buildx
// made: there are no certificates.
func TestFaultImpostorOfABuilderOfBuildx(t *testing.T) {
	long(t)
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	if s.Bed.Images.Peer == "" {
		t.Fatal("there is no peer image; make it with: cd e2e && go run ./testbed peer")
	}
	s.define(s.builderNode("amd64"))
	s.strangersSecret()
	a, peer := s.startAgent("agent", s.Bed.Images.Agent), s.startAgent("peer", s.Bed.Images.Peer)
	for _, one := range []*agent{a, peer} {
		one.write("Dockerfile", smallDockerfile)
	}
	peer.ok("mkdir -p ~/.docker/buildx/instances && cp -L /etc/slipway/definitions/kube ~/.docker/buildx/instances/ && buildx build --builder kube --output type=local,dest=out . >&2")
	own := a.builderPod()
	for _, d := range []disguise{
		{what: "as it is", kind: "ReplicaSet", deaf: true},
		{what: "with a certificate of its own", kind: "ReplicaSet", args: strangersCertificate()},
		{what: "of a StatefulSet with the builder's name", kind: "StatefulSet", deaf: true},
	} {
		s.part(d.what, func(t *testing.T) {
			pod, remove := s.startImpostor(own, d)
			defer remove()
			if !d.deaf {
				s.kubectl("", "annotate", "pod", pod, "slipway.build/tls=buildkitd.builder-amd64."+s.Name)
			}
			project := a.preferring(pod, "exec")
			for _, transport := range []string{"auto", "exec", "direct", "portforward"} {
				s.part(transport, func(t *testing.T) {
					row := plant(t, "rights", "a pod that passes for one of buildx's builder, "+d.what+", by "+transport)
					before := s.reached(pod)
					r := row.run(a, jobOf(project)+"rm -f meta.json; "+debugBuild+"--metadata-file meta.json --transport "+transport)
					if transport == "auto" || transport == "exec" {
						row.survived(r)
						if !strings.Contains(r.stderr, refusedPod(pod)) || !strings.Contains(r.stderr, notOwned) {
							t.Errorf("the log does not say %q of pod %s:\n%s", notOwned, pod, r.stderr)
						}
						row.held(leak, a.podOf() == own, "the build was on pod %s and not on %s", a.podOf(), own)
					} else {
						row.explained(r, 3, "takes no TLS connections")
					}
					records := s.reached(pod)
					row.held(leak, records == before, "builds are on it:\n%s", records)
				})
			}
			if !t.Failed() {
				s.buildBy(pod)
			}
		})
	}
}

// ending is how a command is to end: its exit code, and words of its standard
// error.
type ending struct {
	code  int
	words []string
}

// TestFaultObjectsOfOthers has objects of others at the names that a builder
// needs, and an agent with every right in the namespace: nothing but Slipway
// itself is between them.
func TestFaultObjectsOfOthers(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.kubectl("", "create", "rolebinding", "all", "--clusterrole=admin", "--serviceaccount="+s.Name+":agent")
	s.defineRaw(map[string]string{"none.txt": ""})
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("context/Dockerfile", smallDockerfile)

	workload := func(kind, container string, labels map[string]string) func(name string) map[string]any {
		return func(name string) map[string]any {
			pods := map[string]string{"theirs": name}
			return map[string]any{"apiVersion": "apps/v1", "kind": kind, "metadata": map[string]any{"name": name, "labels": labels}, "spec": map[string]any{
				"replicas": 0, "selector": map[string]any{"matchLabels": pods}, "serviceName": "theirs",
				"template": map[string]any{"metadata": map[string]any{"labels": pods}, "spec": map[string]any{
					"containers": []any{map[string]any{"name": container, "image": s.Bed.Images.Busybox, "command": []string{"sleep", "infinity"}}},
				}},
			}}
		}
	}
	data := func(kind, suffix string, labels map[string]string) func(name string) map[string]any {
		return func(name string) map[string]any {
			content := map[string]string{"buildkitd.toml": "IyB0aGVpcnMK"}
			return map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": name + suffix, "labels": labels}, "data": content}
		}
	}
	const key = "-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----\n"
	other := map[string]string{"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "theirs"}
	half := map[string]string{"app.kubernetes.io/managed-by": "slipway", "slipway.build/owner": "half", "app": "another"}
	refused := ending{3, []string{" is not slipway's", "hint: "}}
	left, nothing := ending{0, nil}, ending{0, nil}
	rows := []struct {
		name, what string
		object     func(name string) map[string]any
		change     func(*node)
		// use is how slipway up and both builds end.
		use, rm, gc ending
	}{
		{"plain", "a Deployment at a builder's name", workload("Deployment", "main", other), nil, refused, refused, left},
		{"half", "a Deployment with a part of Slipway's labels", workload("Deployment", "main", half), nil, refused, refused, left},
		{"unlabeled", "a Deployment with buildkitd and without the label of builders", workload("Deployment", "buildkitd", other), nil, refused, refused, left},
		{"otherkind", "a StatefulSet at the name of a builder's Deployment", workload("StatefulSet", "main", other), nil, refused, nothing, left},
		{"claim", "a StatefulSet at a builder's name", workload("StatefulSet", "main", other), func(n *node) { n.DriverOpts["persistent-volume-claim.requests.storage"] = "1Gi" }, refused, refused, left},
		{"claimother", "a Deployment at the name of a builder's StatefulSet", workload("Deployment", "main", other), func(n *node) { n.DriverOpts["persistent-volume-claim.requests.storage"] = "1Gi" }, refused, nothing, left},
		{"config", "a ConfigMap at the name of a builder's files", data("ConfigMap", "-config", other), func(n *node) { n.Files = map[string][]byte{"buildkitd.toml": []byte("# ours\n")} }, refused, nothing, left},
		{"labeled", "a ConfigMap with a part of Slipway's labels", data("ConfigMap", "-config", map[string]string{"app": "labeled"}), func(n *node) { n.Files = map[string][]byte{"buildkitd.toml": []byte("# ours\n")} }, refused, nothing, left},
		{"keys", "a Secret at the name of a builder's private files", data("Secret", "-config", other), func(n *node) { n.Files = map[string][]byte{"client.key": []byte(key)} }, refused, ending{0, []string{"it was made by others"}}, left},
		{"server", "a Secret at the name of a builder's certificate", data("Secret", "-tls", other), nil, refused, ending{0, []string{"it was made by others"}}, left},
		{"client", "a Secret at the name of the agents' certificate", data("Secret", "-tls-client", other), func(n *node) { n.Slipway["transport"] = "direct" }, refused, ending{0, []string{"it was made by others"}}, left},
	}
	list := []any{}
	var names []string
	for _, row := range rows {
		object := row.object(row.name)
		if object["kind"] == "Deployment" {
			unstructured.RemoveNestedField(object, "spec", "serviceName")
		}
		list = append(list, object)
		name, _, err := unstructured.NestedString(object, "metadata", "name")
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprintf("%s/%s", object["kind"], name))
		n := s.builderNode("amd64", ownTimeout())
		n.Name, n.Slipway = row.name, map[string]any{"owner": row.name, "idleTimeout": "1ms"}
		if row.change != nil {
			row.change(&n)
		}
		a.definitionFile(row.name+"/kube", n)
	}
	raw, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": list})
	if err != nil {
		t.Fatal(err)
	}
	s.kubectl(string(raw), "create", "-f", "-")
	workloads := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return strings.HasPrefix(n, "ConfigMap/") || strings.HasPrefix(n, "Secret/") })
	deployments := slices.DeleteFunc(slices.Clone(workloads), func(n string) bool { return strings.HasPrefix(n, "StatefulSet/") })
	// Their controllers have had their say then.
	s.kubectl("", append(append([]string{"wait"}, workloads...), "--for=jsonpath={.status.observedGeneration}=1", "--timeout="+patience.String())...)
	s.kubectl("", append(append([]string{"wait"}, deployments...), `--for=jsonpath={.status.conditions[?(@.type=="Progressing")].reason}=NewReplicaSetAvailable`, "--timeout="+patience.String())...)
	snapshot := func() string { return s.kubectl("", append([]string{"get", "-o", "json"}, names...)...) }
	before := snapshot()

	for _, tt := range rows {
		s.part(tt.name, func(t *testing.T) {
			row := plant(t, "rights", tt.what)
			ends := func(command string, e ending) {
				t.Helper()
				row.explained(row.run(a, "slipway --definitions "+tt.name+" "+command), e.code, e.words...)
			}
			made := func() []string {
				return s.names("deployments,statefulsets,configmaps,secrets", "--selector=app.kubernetes.io/managed-by=slipway,slipway.build/owner="+tt.name+",app="+tt.name)
			}
			ends("up --progress plain", tt.use)
			own := made()
			row.held(leak, len(own) == 0, "slipway up leaves %v", own)
			ends("build --progress plain -o out context", tt.use)
			ends("build --progress plain --drift apply -o out context", tt.use)
			row.noOutput(a)
			ends("gc --older-than 0s --owner half", tt.gc)
			ends("rm --force kube", tt.rm)
			row.ended(fmt.Sprintf("explained, exit %d", tt.use.code))
			after := snapshot()
			row.held(foreignTouched, after == before, "before:\n%s\nafter:\n%s", before, after)
			own = made()
			row.held(leak, len(own) == 0, "slipway rm leaves %v", own)
		})
	}
}

// notReady is a definition's pod template whose pods become ready when the test
// says so.
func notReady() map[string]any {
	return map[string]any{"spec": map[string]any{"readinessGates": []any{map[string]string{"conditionType": "slipway.test/ready"}}}}
}

// setReady says so.
func (s *space) setReady(pod string) {
	s.t.Helper()
	s.kubectl("", "patch", "pod", pod, "--subresource=status", "-p", `{"status":{"conditions":[{"type":"slipway.test/ready","status":"True"}]}}`)
}

// TestFaultForeignPodDuringTheWait has pods of others appear while a build waits
// for the builder's own.
func TestFaultForeignPodDuringTheWait(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("amd64", ownTimeout())
	n.Slipway = map[string]any{"podTemplate": notReady()}
	s.define(n)
	s.strangersSecret()
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	begin := func() {
		a.ok("rm -rf log code out; (" + debugBuild + "--metadata-file meta.json > log 2>&1; echo $? > code) < /dev/null > /dev/null 2>&1 &")
		a.until("the build waits for the builder's pod", "grep -q 'pod builder-amd64-' log")
	}
	end := func() result {
		a.until("the build ends", "test -s code")
		r := result{stderr: a.ok("cat log")}
		scan(a.t, a.ok("cat code"), &r.code)
		return r
	}

	s.part("labels", func(t *testing.T) {
		row := plant(t, "rights", "a pod with a builder's labels that is ready while a build waits")
		begin()
		own := a.builderPod()
		pod, remove := s.startImpostor(own, disguise{args: []string{plainListener}})
		defer remove()
		if code := a.sh("cat code"); code.stdout != "" {
			t.Errorf("the build waits no more: %s\n%s", code.stdout, a.ok("cat log"))
		}
		s.setReady(own)
		r := end()
		row.survived(r)
		row.held(leak, !strings.Contains(r.stderr, pod) && s.reached(pod) == "", "the build has been at pod %s:\n%s", pod, r.stderr)
		want(t, "pod of the build", a.podOf(), own)
	})
	for _, d := range []disguise{
		{what: "with another certificate", kind: "ReplicaSet", args: strangersCertificate(), words: "signed by another authority"},
		{what: "that does not listen", kind: "ReplicaSet", words: notOwned},
	} {
		s.part(d.what, func(t *testing.T) {
			row := plant(t, "rights", "a pod that passes for a builder's "+d.what+" while a build waits")
			// A pod that is not ready takes the place of the one that is.
			s.kubectl("", "delete", "pods", "--selector=app=builder-amd64", "--grace-period=0", "--force")
			begin()
			own := s.names("pods", "--selector=app=builder-amd64,!impostor")[0]
			pod, remove := s.startImpostor(strings.TrimPrefix(own, "pod/"), d)
			defer remove()
			r := end()
			row.explained(r, 3, pod, d.words, "hint: ")
			row.noOutput(a)
			row.held(leak, s.reached(pod) == "", "the build has been at pod %s:\n%s", pod, r.stderr)
		})
	}
}

// TestFaultDeploymentOfOthersInItsPlace has a builder's Deployment deleted and
// made anew by somebody else, with no buildkitd in it, while a build runs.
func TestFaultDeploymentOfOthersInItsPlace(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.kubectl(removeRole, "create", "-f", "-")
	s.kubectl("", "create", "rolebinding", "remove", "--role=remove", "--serviceaccount="+s.Name+":agent")
	s.define(s.builderNode("amd64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	a.serve()
	a.ok("slipway up >&2")
	own := a.builderPod()
	runs := plant(t, "rights", "the Deployment of a builder is replaced by another while a build runs")
	held := a.holdBuild("held", "")
	held.awaitStep()
	s.kubectl("", "delete", "deployment", "builder-amd64")
	s.kubectl("", "wait", "pod/"+own, "--for=jsonpath={.metadata.deletionTimestamp}", "--timeout="+patience.String())
	s.kubectl("", "create", "deployment", "builder-amd64", "--image="+s.Bed.Images.Busybox, "--", "sleep", "infinity")
	s.kubectl("", "wait", "deployment/builder-amd64", `--for=jsonpath={.status.conditions[?(@.type=="Progressing")].reason}=NewReplicaSetAvailable`, "--timeout="+patience.String())
	snapshot := func() string {
		return s.kubectl("", "get", "deployment,replicaset", "--selector=app=builder-amd64,!app.kubernetes.io/managed-by", "-o", "json")
	}
	before := snapshot()
	for _, command := range []string{"build -o out .", "build --drift apply -o out .", "up", "rm --force kube"} {
		s.part(command, func(t *testing.T) {
			row := plant(t, "rights", "slipway "+strings.Fields(command)[0]+" after the Deployment of a builder was replaced by another: "+command)
			row.explained(row.run(a, "slipway "+command), 3, "deployment builder-amd64 in namespace "+s.Name+" is not slipway's", "app=builder-amd64", "hint: ")
			row.noOutput(a)
			row.held(foreignTouched, snapshot() == before, "before:\n%s\nafter:\n%s", before, snapshot())
		})
	}
	held.finish(own)
	runs.ended("survived")
}
