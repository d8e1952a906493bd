package scenarios

import (
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fault is one thing that is wrong, as docs/troubleshooting.md tells of it.
type fault struct {
	// title is the heading of its section.
	title string
	// plant sets it up and returns the agent and how it calls the doctor.
	plant func(t *testing.T) (*agent, string)
	code  int
	// words begin the line that names it, in the doctor's output.
	words string
}

// startDoctor is an agent with the demo's rights and a builder of one node,
// which is started, well or badly.
func startDoctor(t *testing.T, change func(*space, *node), before func(*space)) *agent {
	t.Helper()
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("amd64", ownTimeout())
	if change != nil {
		change(s, &n)
	}
	s.define(n)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	if before != nil {
		before(s)
	}
	a.sh("slipway up")
	return a
}

func badly(change func(*space, *node), before func(*space)) func(*testing.T) (*agent, string) {
	return func(t *testing.T) (*agent, string) { return startDoctor(t, change, before), "slipway doctor" }
}

func faults() []fault {
	return []fault{
		{"The definition has mistakes", func(t *testing.T) (*agent, string) {
			s := newSpace(t, "slipway-build")
			s.define(s.builderNode("amd64", "replicas=many", "requests.memory=lots"))
			return s.startAgent("agent", s.Bed.Images.Agent), "slipway doctor"
		}, 2, "definition FAILED"},
		{"The pod has no identity", func(t *testing.T) (*agent, string) {
			s := newSpace(t)
			s.define(s.builderNode("amd64"))
			return s.startAgent("agent", s.Bed.Images.Agent), "KUBERNETES_SERVICE_HOST= slipway doctor"
		}, 3, "identity FAILED no identity"},
		{"The right to list pods is missing", func(t *testing.T) (*agent, string) {
			a := startDoctor(t, nil, nil)
			a.narrow("resources: [pods, events]", "resources: [events]")
			return a, "slipway doctor"
		}, 3, "rights [builder-amd64] FAILED in namespace ci it may not list pods"},
		{"The right to read the client's certificate is missing", func(t *testing.T) (*agent, string) {
			a := startDoctor(t, nil, nil)
			a.narrow("resourceNames: [builder-amd64-tls-client, builder-arm64-tls-client]", "resourceNames: [another]")
			return a, "slipway doctor --transport direct"
		}, 3, "rights [builder-amd64] FAILED in namespace ci it may not get secrets builder-amd64-tls-client"},
		{"The namespace does not exist", func(t *testing.T) (*agent, string) {
			a := startDoctor(t, func(s *space, n *node) { n.DriverOpts["namespace"] = s.Name + "-typo" }, nil)
			a.kubectl("", "create", "clusterrolebinding", a.Name, "--clusterrole=cluster-admin", "--serviceaccount="+a.Name+":agent")
			t.Cleanup(func() { a.kubectlCleanup("delete", "clusterrolebinding", a.Name) })
			return a, "slipway doctor"
		}, 3, "policy [builder-amd64] FAILED"},
		{"A quota leaves no room", badly(nil, func(s *space) {
			s.kubectl("", "create", "quota", "small", "--hard=pods=1") // the agent is the one
		}), 3, "pods [builder-amd64] FAILED"},
		{"A policy refuses the pod", badly(nil, func(s *space) {
			s.kubectl("", "label", "namespace", s.Name, "pod-security.kubernetes.io/enforce=restricted")
		}), 3, "pods [builder-amd64] FAILED"},
		{"No cluster node takes the pod", badly(func(s *space, n *node) {
			n.DriverOpts["nodeselector"] = "kubernetes.io/arch=s390x"
			n.Slipway = map[string]any{"unschedulableGrace": "3s"}
		}, nil), 3, "pods [builder-amd64] FAILED"},
		{"The image does not exist", badly(func(_ *space, n *node) {
			n.DriverOpts["image"] = "127.0.0.1:9/no/such:image"
		}, nil), 3, "image [builder-amd64] FAILED"},
		{"buildkitd crashes", badly(func(_ *space, n *node) {
			n.Slipway = map[string]any{"podTemplate": map[string]any{"spec": map[string]any{"containers": []any{
				map[string]any{"name": "buildkitd", "command": []string{"sh", "-c", "echo broken on purpose >&2; exit 1"}, "args": []string{}},
			}}}}
		}, nil), 3, "pods [builder-amd64] FAILED"},
		{"The way to the pod is blocked", func(t *testing.T) (*agent, string) {
			a := startDoctor(t, nil, nil)
			a.block("-d", a.builderIP(), "--dport", "1234", "-j", "DROP")
			return a, "slipway doctor"
		}, 0, "transport [builder-amd64] warning"},
		{"The registry's password is wrong", func(t *testing.T) (*agent, string) {
			s := newStranger(t, bed(t).Images.Agent, bed(t).Registry, bed(t).Registry)
			return s.agent, "SLIPWAY_REGISTRY_USERNAME=ci SLIPWAY_REGISTRY_PASSWORD=wrong slipway doctor --image " + s.Bed.Registry.Address + "/team/app"
		}, 5, "registry [registry.example/team/app] FAILED"},
	}
}

// narrow leaves the agent the role to build, with a part replaced.
func (a *agent) narrow(part, by string) {
	a.t.Helper()
	role := demoRole(a.t, "slipway-build")
	if !strings.Contains(role, part) {
		a.t.Fatalf("the role of the demo has no %s", part)
	}
	a.kubectl("", "delete", "rolebinding", "slipway-manage")
	a.kubectl(strings.Replace(role, part, by, 1), "replace", "-f", "-")
}

// newestKubernetes is the version in the output on pages.
const newestKubernetes = "v1.37.2"

// inConstantWords puts fixed words in place of what differs from run to run.
func (a *agent) inConstantWords(text string) string {
	text = strings.NewReplacer(a.Bed.Images.BuildKit, "moby/buildkit:v0.34.2", a.Bed.Registry.Address, "registry.example", a.Name, "ci", "Kubernetes "+a.Bed.Versions["kubernetes"]+",", "Kubernetes "+newestKubernetes+",").Replace(text)
	for _, r := range [][2]string{
		{`builder-amd64-[0-9a-f]+-[0-9a-z]{5}`, "builder-amd64-7c9d8f6b5-x2x4k"},
		{`latency [^ ,]+, [^ ;]+/s`, "latency …, …/s"},
		{`answers in [^ ,]+`, "answers in …"},
		{`end on [0-9-]+, in [0-9]+ days`, "end on …, in … days"},
		{`has [^ ]+ free`, "has … free"},
		{`[^ ]+ in the builder, [^ ]+ of it`, "… in the builder, … of it"},
		{`https://[0-9.]+:[0-9]+`, "https://10.96.0.1:443"},
		{`10\.244\.[0-9]+\.[0-9]+`, "10.244.0.7"},
		{`\([0-9]+ times, `, "(3 times, "},
		// The kubelet says the one while it pulls and the other between its tries;
		// before Kubernetes 1.32 an event says why.
		{`\(ImagePullBackOff\): Back-off pulling image "[^"]+": (ErrImagePull|Failed to pull image "[^"]+"): `, "(ErrImagePull): "},
	} {
		text = regexp.MustCompile(r[0]).ReplaceAllString(text, r[1])
	}
	return text
}

// TestTheDoctorNamesEveryFault plants the faults of docs/troubleshooting.md and
// compares what the doctor says of them with the page.
func TestTheDoctorNamesEveryFault(t *testing.T) {
	t.Parallel()
	const page = "../../docs/troubleshooting.md"
	var mu sync.Mutex
	outputs := map[string]string{}
	t.Run("faults", func(t *testing.T) {
		for _, f := range faults() {
			t.Run(strings.ReplaceAll(strings.ToLower(f.title), "'", ""), func(t *testing.T) {
				t.Parallel()
				cordoned.RLock()
				defer cordoned.RUnlock()
				a, command := f.plant(t)
				// Containers that start again and again are in between at times.
				var r result
				var text string
				a.eventually("the doctor names it", func() bool {
					r = a.sh(command)
					text = a.inConstantWords(r.stdout)
					return r.code == f.code && strings.Contains(strings.Join(strings.Fields(text), " "), f.words)
				})
				if t.Failed() {
					t.Fatalf("exit %d, want %d and %q:\n%s%s", r.code, f.code, f.words, r.stdout, r.stderr)
				}
				if strings.Contains(r.stdout, "wrong slipway") || f.code != 0 && !strings.Contains(text, "hint: ") {
					t.Errorf("no hint:\n%s", r.stdout)
				}
				shown := "$ " + a.inConstantWords(command) + "\n" + text + a.inConstantWords(r.stderr)
				mu.Lock()
				outputs[f.title] = shown
				mu.Unlock()
			})
		}
	})
	if t.Failed() {
		return
	}
	text := readFile(t, "../docs/troubleshooting.md")
	got := fillPage(t, text, outputs)
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if missing := userNamespaces.missing(bed(t)); missing != "" {
		t.Log("not applicable: the doctor advises user namespaces: " + missing)
		text = regexp.MustCompile(`; its cluster nodes offer user namespaces: .*\n    hint: set profile: user-namespace .*`).ReplaceAllString(text, "")
	}
	if diff := cmp.Diff(text, got); diff != "" {
		t.Errorf("the page (-) and what the doctor says (+):\n%s", diff)
	}
}

// fillPage puts the outputs into the blocks of their sections.
func fillPage(t *testing.T, text string, outputs map[string]string) string {
	t.Helper()
	block := regexp.MustCompile("(?s)```console\n.*?```")
	sections := strings.Split(text, "\n## ")
	for i, section := range sections {
		title, _, _ := strings.Cut(section, "\n")
		output, known := outputs[title]
		if !known {
			continue
		}
		delete(outputs, title)
		sections[i] = block.ReplaceAllLiteralString(section, "```console\n"+output+"```")
	}
	for title := range outputs {
		t.Errorf("the page has no section %q", title)
	}
	return strings.Join(sections, "\n## ")
}

// TestTheDoctorOfAGoodBuilder finds nothing wrong and changes nothing.
func TestTheDoctorOfAGoodBuilder(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.define(s.builderNode("amd64"), s.builderNode("arm64"))
	a := s.startAgent("agent", s.Bed.Images.Agent)
	if out := a.ok("slipway doctor"); !strings.Contains(out, "does not exist yet") {
		t.Errorf("no builder:\n%s", out)
	}
	want(t, "objects after a look", strings.Join(s.names("deployments,secrets,configmaps", "--selector=app"), " "), "")
	out := a.ok("slipway doctor --up")
	for _, words := range []string{"direct: latency", "portforward: latency", "exec: latency", "linux/arm64"} {
		if !strings.Contains(out, words) {
			t.Errorf("%q is not in:\n%s", words, out)
		}
	}
	if strings.Contains(out, "FAILED") || strings.Contains(out, "warning") {
		t.Errorf("nothing is wrong:\n%s", out)
	}
}
