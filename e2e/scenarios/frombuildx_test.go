package scenarios

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/e2e/registrytest"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

const pageDockerfile = "FROM scratch\nARG TARGETARCH\nLABEL scenario=yes\nCOPY Dockerfile /$TARGETARCH\n"

// author is a machine whose user makes builders: an agent that finds no
// definitions, and may also write ConfigMaps.
type author struct {
	*agent
	images *registrytest.Client
	repo   string
}

// newAuthor starts one whose builders trust the testbed's registry by buildx's
// default configuration of buildkitd, and which is logged in there.
func newAuthor(t *testing.T) *author {
	t.Helper()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.kubectl("", "create", "role", "author", "--verb=get,create,update", "--resource=configmaps")
	s.kubectl("", "create", "rolebinding", "author", "--role=author", "--serviceaccount="+s.Name+":agent")
	pod := s.startAgentFrom("author", strings.NewReplacer(
		"mountPath: /etc/slipway/definitions", "mountPath: /mounted",
		"configMap: {name: builders}", "configMap: {name: builders, optional: true}",
	).Replace(s.agentManifest("author", s.Bed.Images.Agent)))
	a := &author{agent: pod, repo: s.Bed.Registry.Address + "/" + s.Name}
	registry := s.Bed.Registry
	a.write("/root/ca.pem", readCA(t, registry))
	config := "[registry.\"" + registry.Address + "\"]\n  ca = [\"/root/ca.pem\"]\n"
	a.write("/root/.docker/buildx/buildkitd.default.toml", config)
	a.write("buildkitd.toml", config)
	login, err := registrytest.DockerConfigFor(registry)
	if err != nil {
		t.Fatal(err)
	}
	a.write("/root/.docker/config.json", login)
	a.write("Dockerfile", pageDockerfile)
	if a.images, err = registrytest.New(registry); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.images.Close)
	return a
}

func readCA(t *testing.T, r state.Registry) string {
	t.Helper()
	files, err := registrytest.BuilderFiles(r)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if strings.HasSuffix(name, "ca.pem") {
			return string(content)
		}
	}
	t.Fatal("the registry has no certificate")
	return ""
}

// run runs the commands of a section, those of kubectl on this machine.
func (a *author) run(commands []string) {
	a.t.Helper()
	namespace := regexp.MustCompile(`\bbuildkit\b`)
	for _, command := range commands {
		image := a.Bed.Images.BuildKit
		if strings.Contains(command, "rootless=true") {
			image = a.Bed.Images.Rootless
		}
		words := strings.NewReplacer(
			"registry.example", a.repo,
			"login registry.example", "login "+a.Bed.Registry.Address,
			"--driver=kubernetes", "--driver=kubernetes --driver-opt=image="+image,
			"--node=kube0 ", "--node=kube0 --driver-opt=image="+image+" ",
			"label1=value1,label2=value2", "kubernetes.io/os=linux,kubernetes.io/arch=arm64",
			"qemu.install=true", "qemu.install=true,qemu.image="+a.repo+"/binfmt:1",
		)
		command = words.Replace(namespace.ReplaceAllString(command, a.Name))
		if strings.HasPrefix(command, "kubectl ") {
			a.localShell(command)
			continue
		}
		a.ok("export REGISTRY_PASSWORD=" + a.Bed.Registry.Password + "; " + command + " >&2")
	}
}

// reset removes what a section has made.
func (a *author) reset() {
	a.t.Helper()
	a.ok("rm -rf /root/.docker/buildx/instances definitions output kube.json")
	a.kubectl("", "delete", "deployments", "--all", "--cascade=foreground")
}

// deployment reads fields of a deployment by JSONPath.
func (a *author) deployment(name, path string) string {
	a.t.Helper()
	return a.kubectl("", "get", "deployment", name, "-o", "jsonpath="+path)
}

// TestTheCommandsOfTheFromBuildxPage runs every command of docs/from-buildx.md,
// each section from nothing.
func TestTheCommandsOfTheFromBuildxPage(t *testing.T) {
	t.Parallel()
	a := newAuthor(t)
	pushed := func(tag string, platforms ...string) {
		a.t.Helper()
		if err := a.images.Validate(a.t.Context(), a.Name+"/app:"+tag); err != nil || len(platforms) == 1 {
			want(a.t, "app:"+tag, fmt.Sprint(err), "<nil>")
			return
		}
		index, err := a.images.Index(a.t.Context(), a.Name+"/app:"+tag)
		if err != nil {
			a.t.Fatal(err)
		}
		checkPlatforms(a.t, index, platforms...)
	}
	type section struct {
		// before sets up what the section takes for granted, check looks at
		// what it has made.
		before, check func()
		// pipeline is how many commands are not the pipeline's; zero for all.
		pipeline int
	}
	all := map[string]section{
		"What create writes, and where": {check: func() {
			want(t, "the three definitions", a.ok("for f in /root/.docker/buildx/instances/kube definitions/kube kube.json; do slipway definition convert $f | sha256sum; done | sort -u | wc -l"), "1\n")
			want(t, "workloads", strings.Join(a.names("deployments"), " "), "")
		}},
		"As a plugin of docker": {check: func() {
			if version := a.ok("/root/.docker/cli-plugins/docker-buildx buildx version"); !strings.HasPrefix(version, "github.com/docker/buildx v0.") {
				t.Errorf("version as a plugin:\n%s", version)
			}
			if r := a.sh("/root/.docker/cli-plugins/docker-buildx build --no-such-flag ."); r.code != 1 || !strings.HasPrefix(r.stderr, "ERROR: ") {
				t.Errorf("an error as a plugin: exit %d\n%s", r.code, r.stderr)
			}
		}},
		"Create a builder": {check: func() {
			pushed("1", "linux/amd64")
			if debug := a.ok("slipway definition convert --to yaml /root/.docker/buildx/instances/debug"); !strings.Contains(debug, "- --debug\n") || !strings.Contains(debug, "/ca.pem: ") {
				t.Errorf("builder debug:\n%s", debug)
			}
		}},
		"Scaling BuildKit": {check: func() {
			want(t, "replicas", a.deployment("kube0", "{.spec.replicas}"), "4")
			if changed := a.ok("slipway definition convert --to yaml /root/.docker/buildx/instances/kube"); !strings.Contains(changed, `replicas: "2"`) || !strings.Contains(changed, "loadbalance: random") {
				t.Errorf("the changed node:\n%s", changed)
			}
		}},
		"Node assignment": {check: func() {
			const pod = "{.spec.template.spec."
			want(t, "nodeSelector", a.deployment("kube0", pod+"nodeSelector}"), `{"kubernetes.io/arch":"arm64","kubernetes.io/os":"linux"}`)
			want(t, "tolerations", a.deployment("kube0", pod+"tolerations}"), `[{"key":"key1","value":"value1"}]`)
			want(t, "tolerations", a.deployment("tainted0", pod+"tolerations}"), `[{"key":"foo","value":"bar"},{"key":"foo2","operator":"Exists"},{"effect":"NoSchedule","key":"foo3"}]`)
			want(t, "labels", a.deployment("tainted0", "{.metadata.labels.team} {.spec.template.metadata.labels.tier} {.metadata.annotations.example\\.com/cost}"), "ci build 42")
		}},
		"QEMU": {
			before: func() {
				// The cluster nodes have emulators already; what stands for
				// tonistiigi/binfmt only has to run.
				a.write("binfmt/Dockerfile", "ARG BASE\nFROM ${BASE}\nENTRYPOINT [\"true\"]\n")
				a.run([]string{
					"slipway create --name=first --driver=kubernetes --driver-opt=namespace=buildkit",
					"slipway build --build-arg BASE=" + a.Bed.Registry.Base + " -t registry.example/binfmt:1 --push binfmt",
				})
				a.reset()
				r := a.Bed.Registry
				a.kubectl("", "create", "secret", "docker-registry", "pull", "--docker-server="+r.Address, "--docker-username="+r.Username, "--docker-password="+r.Password)
				a.kubectl("", "patch", "serviceaccount", "default", "-p", `{"imagePullSecrets":[{"name":"pull"}]}`)
			},
			check: func() {
				want(t, "init container", a.deployment("kube0", "{.spec.template.spec.initContainers[0].args}"), `["--install","all"]`)
				pushed("2", "linux/amd64", "linux/arm64")
			},
		},
		"Native nodes": {check: func() {
			pushed("3", "linux/amd64", "linux/arm64")
			want(t, "cluster node", a.deployment("builder-arm64", "{.spec.template.spec.nodeSelector}"), `{"kubernetes.io/arch":"arm64"}`)
			if listed := a.ok("slipway ls"); strings.Contains(listed, "builder-arm64") || !strings.Contains(listed, "builder-amd64") {
				t.Errorf("after --leave:\n%s", listed)
			}
		}},
		"Rootless mode": {check: func() {
			want(t, "security context", a.deployment("kube0", "{.spec.template.spec.containers[0].securityContext.runAsUser} {.spec.template.spec.containers[0].securityContext.privileged}"), "1000 ")
			pushed("4", "linux/amd64")
			if pods := inspect(a.agent, "kube").Nodes[0].Pods; len(pods) != 1 || pods[0].Profile != "rootless" {
				t.Errorf("inspect: %+v", pods)
			}
		}},
		"In CI, without a laptop": {
			// The pipeline's part is for an agent that starts with the
			// ConfigMap.
			pipeline: 4,
			check: func() {
				want(t, "results", a.ok("ls output/*"), "output/linux_amd64:\namd64\n\noutput/linux_arm64:\narm64\n")
			},
		},
	}
	page := readFile(t, "../docs/from-buildx.md")
	for _, text := range strings.Split(page, "\n## ")[1:] {
		title, body, _ := strings.Cut(text, "\n")
		commands := commandsOf(body)
		if len(commands) == 0 {
			continue
		}
		s, known := all[title]
		if !known {
			t.Errorf("nothing is known of the section %q", title)
		}
		delete(all, title)
		t.Run(title, func(t *testing.T) {
			outer := a.t
			a.t = t
			defer func() { a.t = outer }()
			if s.before != nil {
				s.before()
			}
			if s.pipeline > 0 {
				a.run(commands[:s.pipeline])
				commands = commands[s.pipeline:]
				machine := a.agent
				defer func() { a.agent = machine }()
				a.agent = a.startAgent("ci", a.Bed.Images.Agent)
				a.write("Dockerfile", pageDockerfile)
			}
			a.run(commands)
			if s.check != nil {
				s.check()
			}
			a.reset()
		})
	}
	for title := range all {
		t.Errorf("the page has no section %q", title)
	}
}

// TestDefinitionsServeBothTools has buildx and Slipway create the same builder
// and each use what the other wrote.
func TestDefinitionsServeBothTools(t *testing.T) {
	t.Parallel()
	a := newAuthor(t)
	if a.Bed.Images.Peer == "" {
		t.Fatal("there is no peer image; make it with: cd e2e && go run ./testbed peer")
	}
	a.defineRaw(map[string]string{"unused.txt": "{}"})
	peer := a.startAgent("peer", a.Bed.Images.Peer)
	peer.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
	for path, content := range map[string]string{
		"/root/ca.pem":   readCA(t, a.Bed.Registry),
		"buildkitd.toml": a.ok("cat buildkitd.toml"),
		"/root/.docker/buildx/buildkitd.default.toml": a.ok("cat buildkitd.toml"),
	} {
		peer.write(path, content)
	}
	first := " create --name=Kube --driver=kubernetes --platform=linux/amd64 --node=builder-amd64 --config=buildkitd.toml" +
		" '--driver-opt=namespace=" + a.Name + ",image=" + a.Bed.Images.BuildKit + ",\"nodeselector=kubernetes.io/arch=amd64,kubernetes.io/os=linux\"'"
	second := " create --append --name=Kube --platform=linux/arm64,linux/arm/v7 --driver-opt=namespace=" + a.Name + ",nodeselector=kubernetes.io/arch=arm64" +
		" --driver-opt=image=" + a.Bed.Images.BuildKit + " --buildkitd-flags '--allow-insecure-entitlement security.insecure --debug'"
	third := " create --name=Kube --node=builder-amd64 --platform=linux/amd64,linux/386"
	for _, command := range []string{first, second, third} {
		a.ok("slipway" + command)
		peer.ok("buildx" + command + " >&2")
	}
	const file = "/root/.docker/buildx/instances/kube"
	theirs, ours := peer.ok("cat "+file), a.ok("cat "+file)
	if diff := cmp.Diff(instanceOf(t, theirs), instanceOf(t, ours)); diff != "" {
		t.Errorf("-buildx +slipway:\n%s", diff)
	}

	// Each builds with the other's.
	peer.write(file, ours)
	peer.ok("buildx ls >&2 && buildx build --builder Kube --platform linux/amd64 -o out . && cmp Dockerfile out/Dockerfile")
	a.write("theirs", theirs)
	a.ok("slipway definition lint theirs >&2 && slipway --definitions theirs build --platform linux/amd64 -o out . && cmp Dockerfile out/amd64")
	want(t, "deployments", strings.Join(a.names("deployments"), " "), "deployment.apps/builder-amd64")
}

// instanceOf reads an instance file, less what buildx makes up: the deployment
// that the endpoint of a node without a given name has.
func instanceOf(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	text = regexp.MustCompile(`deployment=(buildkit-[0-9a-f-]+|kube0)`).ReplaceAllString(text, "deployment=MADE-UP")
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestAuthorsOfOneConfigMap has many nodes added at the same time to a builder
// in a ConfigMap, on the real API server.
func TestAuthorsOfOneConfigMap(t *testing.T) {
	t.Parallel()
	a := newAuthor(t)
	a.kubectl("", "create", "configmap", "builders", "--from-literal=other=stays", "--from-literal=notes=too")
	a.ok("slipway create --name kube --node first --configmap " + a.Name + "/builders")
	a.ok("for i in 1 2 3 4 5 6; do slipway create --append --name kube --node n$i --configmap " + a.Name + "/builders > $i.log 2>&1 || touch failed & done; wait; if [ -e failed ]; then cat *.log >&2; exit 1; fi")
	got := a.kubectl("", "get", "configmap", "builders", "-o", "jsonpath={.data.kube}")
	for _, node := range []string{"first", "n1", "n2", "n3", "n4", "n5", "n6"} {
		if !strings.Contains(got, `"Name": "`+node+`"`) {
			t.Errorf("node %s is lost", node)
		}
	}
	want(t, "the other keys", a.kubectl("", "get", "configmap", "builders", "-o", "jsonpath={.data.other} {.data.notes}"), "stays too")
	// What is wrong is refused before anything is written, and rights that are
	// missing are named.
	a.fails(2, "slipway create --append --name kube --driver-opt replicas=many --configmap "+a.Name+"/builders", "--driver-opt replicas: ")
	a.fails(2, "slipway create --name kube --configmap "+a.Name+"/builders", `--name "kube": is defined already in configmap `+a.Name+`/builders, key kube`)
	want(t, "after that", a.kubectl("", "get", "configmap", "builders", "-o", "jsonpath={.data.kube}"), got)
	a.fails(3, "slipway create --name kube --configmap default/builders", `cannot get resource "configmaps"`, "kind: RoleBinding")
}
