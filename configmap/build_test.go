package configmap

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// load reads the only definition of a text.
func load(t testing.TB, text string) (Definition, Problems) {
	t.Helper()
	entries := read("f", []byte(text))
	if len(entries) != 1 {
		t.Fatalf("%d entries", len(entries))
	}
	return entries[0].definition, entries[0].problems
}

func messages(problems Problems) []string {
	var list []string
	for _, p := range problems {
		list = append(list, strings.TrimPrefix(p.Error(), "f: "))
	}
	return list
}

func TestBlogDefinition(t *testing.T) {
	set, err := Load(nil, "testdata/valid/kube")
	if err != nil {
		t.Fatal(err)
	}
	got, err := set.Select("")
	if err != nil {
		t.Fatal(err)
	}
	node := func(arch, image string) Node {
		k := kubernetesDefaults()
		k.Image = image
		k.Namespace = "buildkit"
		k.Replicas = 2
		k.NodeSelector = map[string]string{"kubernetes.io/arch": arch}
		k.Transport = TransportAuto
		k.UnschedulableGrace = 15 * time.Second
		return Node{
			Name:       "builder-" + arch,
			Endpoint:   "kubernetes:///kube?deployment=builder-" + arch + "&kubeconfig=",
			Platforms:  []ocispecs.Platform{{OS: "linux", Architecture: arch}},
			Kubernetes: &k,
		}
	}
	want := Definition{
		Name: "kube", Driver: "kubernetes", File: "testdata/valid/kube",
		Nodes: []Node{node("amd64", "moby/buildkit:buildx-stable-1"), node("arm64", "docker.io/moby/buildkit:v0.11.5")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLegacyDefinition(t *testing.T) {
	set, err := Load(nil, "testdata/valid/legacy")
	if err != nil {
		t.Fatal(err)
	}
	got, err := set.Select("")
	if err != nil {
		t.Fatal(err)
	}
	first, second := kubernetesDefaults(), kubernetesDefaults()
	first.Image, first.Transport, first.UnschedulableGrace = defaultImage, TransportAuto, defaultUnschedulableGrace
	minute := int64(60)
	second.Image, second.Transport, second.UnschedulableGrace = defaultRootlessImage, TransportAuto, defaultUnschedulableGrace
	second.Rootless = true
	second.Kubeconfig = "/home/dev/.kube/config"
	second.NodeSelector = map[string]string{"kubernetes.io/arch": "arm64", "pool": "ci"}
	second.Tolerations = []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &minute}}
	want := Definition{
		Name: "legacy", Driver: "kubernetes", File: "testdata/valid/legacy",
		Nodes: []Node{
			{
				Name: "legacy0", Endpoint: "unix:///var/run/docker.sock", Flags: []string{"--debug"}, Kubernetes: &first,
				Files: map[string][]byte{"buildkitd.toml": []byte("debug = true\n"), "certs/registry.example.com_5000/ca.pem": []byte("-----BEGIN-----\n")},
			},
			{
				Name: "legacy1", Endpoint: "kubernetes://legacy?deployment=legacy1-0&kubeconfig=%2Fhome%2Fdev%2F.kube%2Fconfig", Kubernetes: &second,
				Platforms: []ocispecs.Platform{{OS: "linux", Architecture: "arm", Variant: "v7"}, {OS: "linux", Architecture: "arm64"}},
				Files:     map[string][]byte{},
			},
		},
		Warnings: []string{"testdata/valid/legacy: node legacy0: Endpoint: is not used by the driver kubernetes; it may be left out"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestFilesOfBuildx reads what buildx 0.37.2 has written.
func TestFilesOfBuildx(t *testing.T) {
	set, err := Load(nil, "testdata/buildx/instances")
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Broken(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Kube in kube", "plain in plain", "rem in rem"}, names(set.Definitions())); diff != "" {
		t.Error(diff)
	}
	d, err := set.Select("kube")
	if err != nil {
		t.Fatal(err)
	}
	claim := resource.MustParse("10Gi")
	amd64, arm64 := kubernetesDefaults(), kubernetesDefaults()
	for _, k := range []*Kubernetes{&amd64, &arm64} {
		k.Namespace, k.Kubeconfig = "buildkit", "/home/dev/.kube/config"
		k.Transport, k.UnschedulableGrace = TransportAuto, defaultUnschedulableGrace
	}
	amd64.Image, amd64.Replicas, amd64.DefaultLoad, amd64.Timeout = defaultImage, 2, true, 3*time.Minute
	amd64.Requests = corev1.ResourceList{"cpu": resource.MustParse("500m")}
	amd64.NodeSelector = map[string]string{"kubernetes.io/arch": "amd64", "pool": "ci"}
	amd64.Annotations = map[string]string{"a": "b", "c": "d"}
	amd64.Env = []corev1.EnvVar{{Name: "FOO", Value: "a=b"}}
	amd64.Tolerations = []corev1.Toleration{{Key: "dedicated", Operator: "Exists"}, {Key: "x", Value: "y", Effect: "NoSchedule"}}
	arm64.Image, arm64.Rootless, arm64.ClaimStorage = defaultRootlessImage, true, &claim
	if diff := cmp.Diff([]*Kubernetes{&amd64, &arm64}, []*Kubernetes{d.Nodes[0].Kubernetes, d.Nodes[1].Kubernetes}); diff != "" {
		t.Error(diff)
	}
	if got := string(d.Nodes[0].Files["certs/registry.example.com_5000/ca.pem"]); got != "-----BEGIN CERTIFICATE-----\n" {
		t.Errorf("certificate: %q", got)
	}
	if len(d.Warnings) > 0 {
		t.Errorf("warnings: %q", d.Warnings)
	}
}

func TestRemoteDefinition(t *testing.T) {
	set, err := Load(nil, "testdata/valid/remote.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := set.Select("")
	if err != nil {
		t.Fatal(err)
	}
	want := []*Remote{
		{Address: "tcp://buildkitd.buildkit.svc:1234", Timeout: 20 * time.Second},
		{Address: "unix:///run/buildkit/buildkitd.sock", Timeout: 20 * time.Second, DefaultLoad: true},
	}
	if diff := cmp.Diff(want, []*Remote{got.Nodes[0].Remote, got.Nodes[1].Remote}); diff != "" {
		t.Error(diff)
	}
}

func TestExampleHasWhatItSays(t *testing.T) {
	set, err := Load(nil, "testdata/valid/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := set.Select("")
	if err != nil {
		t.Fatal(err)
	}
	quantity := resource.MustParse
	claim := quantity("100Gi")
	template := got.Nodes[0].Kubernetes.PodTemplate
	if !strings.Contains(string(template), `"priorityClassName":"ci-builders"`) {
		t.Errorf("pod template: %s", template)
	}
	amd64 := &Kubernetes{
		Image: "moby/buildkit:v0.34.2", Namespace: "buildkit", Replicas: 2,
		Requests:       corev1.ResourceList{"cpu": quantity("500m"), "memory": quantity("2Gi"), "ephemeral-storage": quantity("10Gi")},
		Limits:         corev1.ResourceList{"cpu": quantity("4"), "memory": quantity("8Gi"), "ephemeral-storage": quantity("50Gi")},
		ServiceAccount: "buildkit", SchedulerName: "default-scheduler",
		NodeSelector: map[string]string{"kubernetes.io/arch": "amd64", "pool": "ci"},
		Annotations:  map[string]string{"example.com/owner": "platform", "example.com/query": "env=ci"},
		Labels:       map[string]string{"team": "build"},
		Tolerations: []corev1.Toleration{
			{Key: "dedicated", Value: "ci", Effect: corev1.TaintEffectNoSchedule},
			{Key: "spot", Operator: corev1.TolerationOpExists},
		},
		LoadBalance: LoadBalanceRandom, QEMU: QEMU{Image: defaultQEMUImage}, Timeout: 5 * time.Minute,
		Env:         []corev1.EnvVar{{Name: "HTTPS_PROXY", Value: "http://proxy.example.com:3128"}},
		PodTemplate: template, Transport: TransportAuto, UnschedulableGrace: 15 * time.Second, Overflow: 4,
		TerminationGrace: time.Hour,
		Profile:          ProfileUserNamespace,
	}
	arm64 := &Kubernetes{
		Image: defaultImage, Namespace: "buildkit", Replicas: 1, ClaimStorage: &claim,
		NodeSelector: map[string]string{"kubernetes.io/arch": "arm64"},
		LoadBalance:  LoadBalanceSticky, QEMU: QEMU{Image: defaultQEMUImage}, Timeout: 2 * time.Minute,
		PodTemplate: template, Transport: TransportExec, UnschedulableGrace: time.Minute, Overflow: 4,
		TerminationGrace: time.Hour,
		Profile:          ProfileUserNamespace, StorageClass: new("fast-ssd"),
	}
	if diff := cmp.Diff([]*Kubernetes{amd64, arm64}, []*Kubernetes{got.Nodes[0].Kubernetes, got.Nodes[1].Kubernetes}); diff != "" {
		t.Error(diff)
	}
	if got := got.Nodes[0].Platforms; len(got) != 2 || got[1].Architecture != "386" {
		t.Errorf("platforms: %v", got)
	}
	if len(got.Warnings) != 0 {
		t.Errorf("warnings: %q", got.Warnings)
	}
}

// TestDefinitionProblems is about everything but the driver-opts.
func TestDefinitionProblems(t *testing.T) {
	const head = "Name: a\nDriver: kubernetes\nNodes:\n- Name: m\n  "
	for _, test := range []struct {
		name, text string
		want       []string
		hint       string
	}{
		{"nothing given", "{}", []string{"Name: the builder has no name", "Driver: the builder has no driver; kubernetes, remote and local work here", "Nodes: the builder has no node"}, ""},
		{"all at once, of all nodes", "Name: 1a\nDriver: kubernetes\nNodes:\n- Platforms: [linux/foo]\n  DriverOpts: {replicas: x, timeout: x}\n- Name: b\n  Namme: c\n", []string{
			`node #1: Platforms[0]: "foo" is not a known architecture`,
			"node b: Namme: unknown key",
			`Name: "1a" is not a builder name: it starts with a letter and has letters, digits and ._- only`,
			"node #1: Name: the node has no name",
			`node #1: driver-opt replicas: "x" is not a whole number of at least 1`,
			`node #1: driver-opt timeout: "x" is not a duration of more than zero`,
		}, `did you mean "Name"?`},
		{"keys in any case", "name: a\nDRIVER: kubernetes\nnodes: [{NAME: m, driverOpts: {replicas: '1'}}]\ndynamic: false\n", nil, ""},
		{"null is absent", "Name: a\nDriver: kubernetes\nSlipway: null\nDynamic: null\nNodes: [{Name: m, Endpoint: null, Platforms: null, DriverOpts: null, Flags: null, Files: null, Slipway: null}]\n", nil, ""},
		{"one key in two cases", "Name: a\nname: b\nDriver: kubernetes\nNodes: [{Name: m}]\n", []string{`name: the same key stands there as "Name" too`}, ""},
		{"unknown key", "Name: a\nDrivr: remote\nDriver: kubernetes\nNodes: [{Name: m}]\n", []string{"Drivr: unknown key"}, `did you mean "Driver"?`},
		{"unknown key, nothing near", "Name: a\nExtraordinary: 1\nDriver: kubernetes\nNodes: [{Name: m}]\n", []string{"Extraordinary: unknown key"}, "known here: Name, Driver, Nodes, Dynamic, Slipway"},
		{"wrong types", "Name: 1\nDriver: [x]\nDynamic: 3\nSlipway: 1\nNodes: {}\n", []string{
			"Driver: must be a string, not a list", "Dynamic: must be false, not 3", "Name: must be a string, not 1", "Nodes: must be a list, not an object", "Slipway: must be an object, not 1",
			"Name: the builder has no name", "Driver: the builder has no driver; kubernetes, remote and local work here", "Nodes: the builder has no node",
		}, "put the value in quotes"},
		{"node is no object", "Name: a\nDriver: kubernetes\nNodes: [m]\n", []string{"node #1: must be an object, not a string", "node #1: Name: the node has no name"}, ""},
		{"dynamic group", "Name: a\nDriver: kubernetes\nDynamic: true\nNodes: [{Name: m}]\n", []string{"Dynamic: a dynamic group gets its nodes from a driver that slipway does not have; only false works here"}, ""},
		{"driver docker-container", "Name: a\nDriver: docker-container\nNodes: [{Name: m, DriverOpts: {whatever: x}}]\n", []string{"Driver: docker-container needs a Docker engine on the agent, and slipway does without; kubernetes, remote and local work here"}, "--driver kubernetes"},
		{"driver cloud", "Name: a\nDriver: cloud\nNodes: [{Name: m}]\n", []string{"Driver: cloud needs Docker's own service; kubernetes, remote and local work here"}, ""},
		{"driver mistyped", "Name: a\nDriver: kubernets\nNodes: [{Name: m}]\n", []string{`Driver: "kubernets" is not a driver that works here; kubernetes, remote and local do`}, `did you mean "kubernetes"?`},

		{"two nodes of one name", "Name: a\nDriver: kubernetes\nNodes: [{Name: m}, {Name: m}]\n", []string{"node m: Name: another node of the builder has the same name"}, ""},
		{"two nodes of one workload", "Name: a\nDriver: kubernetes\nNodes: [{Name: n_1}, {Name: n-1}]\n", []string{"node n-1: Name: the workload's name would be n-1, which is that of node n_1 too"}, ""},
		{"node with capitals", "Name: a\nDriver: kubernetes\nNodes: [{Name: Node}]\n", []string{`node Node: Name: "Node" has capital letters, which a name in Kubernetes must not have`}, "write it as node"},
		{"node that ends in _", "Name: a\nDriver: kubernetes\nNodes: [{Name: node_}]\n", []string{`node node_: Name: the workload cannot be named "node-": a lowercase RFC 1123 subdomain must consist`}, ""},
		{"node with a long name", "Name: a\nDriver: kubernetes\nNodes: [{Name: m" + strings.Repeat("x", 63) + "}]\n", []string{"must be no more than 63 bytes"}, ""},
		{"node with a name too long for a StatefulSet", "Name: a\nDriver: kubernetes\nNodes: [{Name: m" + strings.Repeat("x", 52) + ", DriverOpts: {persistent-volume-claim.requests.storage: 1Gi}}]\n", []string{"must be no more than 52 bytes as the name of a StatefulSet"}, ""},
		{"the same without a claim", "Name: a\nDriver: kubernetes\nNodes: [{Name: m" + strings.Repeat("x", 52) + "}]\n", nil, ""},
		{"node with an odd name", "Name: a\nDriver: kubernetes\nNodes: [{Name: 'n/1'}]\n", []string{`node n/1: Name: "n/1" is not a node name: it starts with a letter and has letters, digits and ._- only`}, ""},

		{"platforms", head + "Platforms: [linux/amd64, {os: linux}, {architecture: arm64}, {os: linux, architecture: arm46}, {os: lunix, architecture: arm64}, 3, linux/, {os: linux, arch: arm64}]\n", []string{
			"node m: Platforms[1]: the platform has no architecture", "node m: Platforms[2]: the platform has no os",
			`node m: Platforms[3]: "arm46" is not a known architecture`, `node m: Platforms[4]: "lunix" is not a known operating system`,
			"node m: Platforms[5]: must be an object, not 3", `node m: Platforms[6]: "linux/" is not a platform`, "node m: Platforms[7].arch: unknown key",
		}, "linux/arm/v7"},
		{"mistyped architecture", head + "Platforms: [linux/amd46]\n", []string{`node m: Platforms[0]: "amd46" is not a known architecture`}, "did you mean linux/amd64?"},
		{"mistyped system", head + "Platforms: [{os: lunix, architecture: arm64}]\n", []string{`node m: Platforms[0]: "lunix" is not a known operating system`}, "did you mean linux/arm64?"},
		{"mistyped word", head + "Platforms: [amd46]\n", []string{`node m: Platforms[0]: "amd46" is not a platform`}, "did you mean linux/amd64?"},
		{"system and architecture swapped", head + "Platforms: [arm64/linux]\n", []string{`node m: Platforms[0]: "arm64" is not a known operating system`}, "did you mean linux/arm64?"},
		{"wasm", head + "Platforms: [wasi/wasm]\n", nil, ""},
		{"flags", head + "Flags: [--debug, '', 3]\n", []string{"node m: Flags[1]: must not be empty", "node m: Flags[2]: must be a string, not 3"}, ""},
		{"files", head + "Files: {ok.toml: '', a.toml: '*', ../b: '', /c: '', d//e: '', '': '', 'f g': '', certs/a:5000/ca.pem: '', h: 3}\n", []string{
			"node m: Files.: is not a plain path below /etc/buildkit", "node m: Files.../b: is not a plain path below /etc/buildkit", "node m: Files./c: is not a plain path below /etc/buildkit",
			"node m: Files.a.toml: is not base64: illegal base64 data at input byte 0",
			"node m: Files.d//e: is not a plain path", "node m: Files.f g: the file name cannot be a key of a ConfigMap", "node m: Files.h: must be a string, not 3",
		}, "base64 -w0 FILE"},
		{"file below a colon, which is a warning", head + "Files: {certs/a:5000/ca.pem: ''}\n", nil, ""},
		{"files too big", head + "Files: {certs/a: " + strings.Repeat("YWFh", 1<<18) + ", certs/b: " + strings.Repeat("YWFh", 1<<17) + "}\n", []string{`node m: Files: the files of the directory "certs" are 1179648 bytes together, more than the 1048576`}, ""},
		{"options are no object", head + "DriverOpts: [replicas=2]\n", []string{"node m: DriverOpts: must be an object, not a list"}, ""},

		{"endpoints", "Name: a\nDriver: kubernetes\nNodes: [{Name: m, Endpoint: 'kubernetes://%'}, {Name: o, Endpoint: 'kubernetes:///a?kubeconfg=/x'}, {Name: p, Endpoint: 'kubernetes:///a?kubeconfig=%zz'}]\n", []string{
			`node m: Endpoint: "kubernetes://%" is not a valid URL`, `node o: Endpoint: unknown parameter "kubeconfg"`, `node p: Endpoint: the parameters of`,
		}, `did you mean "kubeconfig"?`},

		{"unknown extension", head + "Slipway: {transporte: exec}\n", []string{"node m: Slipway.transporte: unknown key"}, `did you mean "transport"?`},
		{"transports", "Name: a\nDriver: kubernetes\nSlipway: {transport: direct}\nNodes: [{Name: m, Slipway: {transport: portforward}}, {Name: o, Slipway: {transport: exce}}, {Name: p, Slipway: {transport: 3}}]\n", []string{
			`node o: Slipway.transport: "exce" is not a transport`, "node p: Slipway.transport: must be a string, not 3",
		}, `did you mean "exec"?`},
		{"certificates", "Name: a\nDriver: kubernetes\nNodes: [{Name: m, Slipway: {tls: {serverSecret: S, clientSecret: c, clientdirectory: /x}}}, {Name: o, Slipway: {tls: {clientDir: x, serverName: a/b}}}]\n", []string{
			"node m: Slipway.tls.serverSecret: cannot be such a name: ", "node m: Slipway.tls.clientdirectory: unknown key",
			`node o: Slipway.tls.clientDir: "x" is not an absolute path`, "node o: Slipway.tls.serverName: cannot be such a name: ",
		}, `did you mean "clientDir"?`},
		{"certificates that need each other", "Name: a\nDriver: kubernetes\nSlipway: {tls: {serverSecret: s}}\nNodes: [{Name: m, Slipway: {tls: {clientSecret: c}}}, {Name: o, Slipway: {tls: {serverSecret: s, clientSecret: c, clientDir: /x}}}]\n", []string{
			"Slipway.tls: serverSecret needs clientSecret or clientDir beside it", "node m: Slipway.tls: clientSecret is of use only beside serverSecret", "node o: Slipway.tls: clientSecret and clientDir exclude each other",
		}, "leave both out to have them made"},
		{"overflow", "Name: a\nDriver: kubernetes\nSlipway: {overflow: many}\nNodes: [{Name: m, Slipway: {overflow: -1}}, {Name: o, Slipway: {overflow: 1.5}}]\n", []string{
			"node m: Slipway.overflow: must be a whole number, not -1", "node o: Slipway.overflow: must be a whole number, not 1.5", "Slipway.overflow: must be a whole number, not a string",
		}, "write a number of builds"},
		{"drift", "Name: a\nDriver: kubernetes\nSlipway: {drift: aply}\nNodes: [{Name: m, Slipway: {drift: true}}, {Name: o, Slipway: {drift: ignore}}]\n", []string{
			"node m: Slipway.drift: must be a string, not true", `Slipway.drift: "aply" is not a policy for drift`,
		}, `did you mean "apply"?`},
		{"grace", "Name: a\nDriver: kubernetes\nSlipway: {unschedulableGrace: 15}\nNodes: [{Name: m, Slipway: {unschedulableGrace: -1s}}, {Name: o, Slipway: {unschedulableGrace: 0s}}]\n", []string{
			`node m: Slipway.unschedulableGrace: must be a duration, not "-1s"`, "Slipway.unschedulableGrace: must be a string, not 15",
		}, "write it like 15s or 2m"},
	} {
		t.Run(test.name, func(t *testing.T) { checkProblems(t, test.text, test.want, test.hint) })
	}
}

// checkProblems wants exactly the given problems in any order, each given by
// how it starts or what it holds, and the hint among theirs.
func checkProblems(t *testing.T, text string, want []string, hint string) {
	t.Helper()
	_, problems := load(t, text)
	rest := messages(problems)
	for _, w := range want {
		found := false
		for i, m := range rest {
			if strings.Contains(m, w) {
				rest = append(rest[:i:i], rest[i+1:]...)
				found = true
				break
			}
		}
		if !found {
			t.Errorf("missing: %s", w)
		}
	}
	if len(rest) > 0 {
		t.Errorf("unexpected: %q", rest)
	}
	if all := strings.Join(problems.Hints(), "\n"); !strings.Contains(all, hint) {
		t.Errorf("hints: %q, want %q", all, hint)
	}
}

func TestNodeExtensionWins(t *testing.T) {
	d, problems := load(t, `
Name: a
Driver: kubernetes
Slipway:
  transport: exec
  tls: {clientDir: /group}
  unschedulableGrace: 1m
  overflow: 9
  podTemplate: {spec: {priorityClassName: group}}
Nodes:
- Name: plain
- Name: own
  Slipway:
    transport: portforward
    tls: {serverSecret: s, clientSecret: c, serverName: name}
    unschedulableGrace: 0s
    overflow: 0
    podTemplate: {spec: {priorityClassName: node}}
`)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for i, want := range []string{
		`exec {   /group} 1m0s 9 {"spec":{"priorityClassName":"group"}}`,
		`portforward {s c name } 0s 0 {"spec":{"priorityClassName":"node"}}`,
	} {
		k := d.Nodes[i].Kubernetes
		if got := fmt.Sprintf("%s %s %s %d %s", k.Transport, k.TLS, k.UnschedulableGrace, k.Overflow, k.PodTemplate); got != want {
			t.Errorf("node %s: got %s, want %s", d.Nodes[i].Name, got, want)
		}
	}
}

// TestMistakesAreToldAtOnce is the scenario: three mistakes, all three told.
func TestMistakesAreToldAtOnce(t *testing.T) {
	set, err := Load(nil, filepath.Join("testdata", "mistakes", "kube.json"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = set.Select("")
	golden(t, filepath.Join("testdata", "mistakes", "golden.txt"), []byte(printed(err)))
}

func TestSecretsAreNotRepeated(t *testing.T) {
	const secret = "hunter2"
	for _, text := range []string{
		"Name: a\nDriver: kubernetes\nNodes: [{Name: m, DriverOpts: {env.TOKEN=1: " + secret + ", env.: " + secret + "}}]\n",
		"Name: a\nDriver: remote\nNodes: [{Name: m, Endpoint: 'tcp://user:" + secret + "@host:1234?token=" + secret + "'}]\n",
		"Name: a\nDriver: remote\nNodes: [{Name: m, Endpoint: 'user:" + secret + "@host'}]\n",
		"Name: a\nDriver: remote\nNodes: [{Name: m, Endpoint: 'tcp://user:" + secret + "@%zz'}]\n",
		"Name: a\nDriver: kubernetes\nNodes: [{Name: m, Files: {key.pem: '" + secret + "!'}, Endpoint: 'tcp://u:" + secret + "@h'}]\n",
	} {
		d, problems := load(t, text)
		if len(problems) == 0 {
			t.Errorf("no problem in %s", text)
		}
		if all := problems.Error() + strings.Join(problems.Hints(), "") + strings.Join(d.Warnings, ""); strings.Contains(all, secret) {
			t.Errorf("the secret is in: %s", all)
		}
	}
}
