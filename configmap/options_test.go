package configmap

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// definitionWith is a definition of one node with the given options.
func definitionWith(t testing.TB, driver, endpoint string, options map[string]any) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"Name": "a", "Driver": driver,
		"Nodes": []any{map[string]any{"Name": "m", "Endpoint": endpoint, "DriverOpts": options}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

type options = map[string]any

func TestKubernetesOptions(t *testing.T) {
	quantity := func(s string) *resource.Quantity { q := resource.MustParse(s); return &q }
	seconds := func(n int64) *int64 { return &n }
	for _, test := range []struct {
		name    string
		options options
		want    func(k *Kubernetes)
		warning string
	}{
		{name: "none", options: options{}, want: func(*Kubernetes) {}},
		{name: "image", options: options{"image": "registry.example.com:5000/mirror/buildkit@sha256:" + strings.Repeat("a", 64)}, want: func(k *Kubernetes) {
			k.Image = "registry.example.com:5000/mirror/buildkit@sha256:" + strings.Repeat("a", 64)
		}},
		{name: "empty where buildx takes it for absent", options: options{"image": "", "namespace": "", "requests.cpu": "", "limits.memory": "", "persistent-volume-claim.requests.storage": "", "schedulername": "", "serviceaccount": "", "qemu.image": "", "buildkit-root-volume-memory": ""}, want: func(*Kubernetes) {}},
		{name: "null", options: options{"image": nil}, want: func(*Kubernetes) {}},
		{name: "rootless", options: options{"rootless": "1"}, want: func(k *Kubernetes) { k.Rootless, k.Image = true, defaultRootlessImage }},
		{name: "rootless false keeps the default image", options: options{"rootless": "false"}, want: func(*Kubernetes) {}},
		{name: "rootless with an image", options: options{"rootless": "true", "image": "x:y"}, want: func(k *Kubernetes) { k.Rootless, k.Image = true, "x:y" }},
		{name: "rootless with an empty image", options: options{"rootless": "true", "image": ""}, want: func(k *Kubernetes) { k.Rootless, k.Image = true, defaultRootlessImage }},
		{name: "requests.ephemeral-storage is a request", options: options{"requests.ephemeral-storage": "1Gi"}, want: func(k *Kubernetes) {
			k.Requests = corev1.ResourceList{"ephemeral-storage": *quantity("1Gi")}
		}},
		{name: "limits", options: options{"limits.cpu": "1500m", "limits.memory": "8G", "limits.ephemeral-storage": "0"}, want: func(k *Kubernetes) {
			k.Limits = corev1.ResourceList{"cpu": *quantity("1500m"), "memory": *quantity("8G"), "ephemeral-storage": *quantity("0")}
		}},
		{name: "request equal to the limit", options: options{"requests.cpu": "1", "limits.cpu": "1000m"}, want: func(k *Kubernetes) {
			k.Requests = corev1.ResourceList{"cpu": *quantity("1")}
			k.Limits = corev1.ResourceList{"cpu": *quantity("1000m")}
		}},
		{name: "half a byte", options: options{"requests.memory": "512m"}, warning: "driver-opt requests.memory: 512m is a fraction of a byte", want: func(k *Kubernetes) {
			k.Requests = corev1.ResourceList{"memory": *quantity("512m")}
		}},
		{name: "numbers and booleans as in YAML", options: options{"replicas": int64(3), "requests.cpu": 0.5, "limits.cpu": int64(2), "default-load": true, "qemu.install": false}, want: func(k *Kubernetes) {
			k.Replicas, k.DefaultLoad = 3, true
			k.Requests = corev1.ResourceList{"cpu": *quantity("0.5")}
			k.Limits = corev1.ResourceList{"cpu": *quantity("2")}
		}},
		{name: "claim", options: options{"persistent-volume-claim.requests.storage": "50Gi"}, want: func(k *Kubernetes) { k.ClaimStorage = quantity("50Gi") }},
		{name: "claim with rootless", options: options{"persistent-volume-claim.requests.storage": "50Gi", "rootless": "true"}, want: func(k *Kubernetes) {
			k.ClaimStorage, k.Rootless, k.Image = quantity("50Gi"), true, defaultRootlessImage
		}},
		{name: "claim beats memory", options: options{"persistent-volume-claim.requests.storage": "50Gi", "buildkit-root-volume-memory": "1Gi"}, warning: "buildkit-root-volume-memory: has no effect beside", want: func(k *Kubernetes) {
			k.ClaimStorage = quantity("50Gi")
		}},
		{name: "memory", options: options{"buildkit-root-volume-memory": "1Gi"}, want: func(k *Kubernetes) { k.RootVolumeMemory = quantity("1Gi") }},
		{name: "memory, misspelt", options: options{"buildkit-root-folder-memory": "1Gi"}, warning: "driver-opt buildkit-root-folder-memory: is a misspelling of buildkit-root-volume-memory", want: func(k *Kubernetes) {
			k.RootVolumeMemory = quantity("1Gi")
		}},
		{name: "annotations, misspelt", options: options{"annotation": "a=b"}, warning: "driver-opt annotation: is a misspelling of annotations", want: func(k *Kubernetes) {
			k.Annotations = map[string]string{"a": "b"}
		}},
		{name: "pairs", options: options{
			"nodeselector": `"kubernetes.io/arch=arm64, pool=ci"`, "labels": "team=build,empty=", "annotations": "example.com/Query=a=b,c=",
		}, want: func(k *Kubernetes) {
			k.NodeSelector = map[string]string{"kubernetes.io/arch": "arm64", "pool": "ci"}
			k.Labels = map[string]string{"team": "build", "empty": ""}
			k.Annotations = map[string]string{"example.com/Query": "a=b", "c": ""}
		}},
		{name: "tolerations", options: options{"tolerations": "key=a,value=b;key=c,operator=EXISTS,effect=NoExecute,tolerationSeconds=-1;operator=exists;key=d,operator=equal,value=e"}, want: func(k *Kubernetes) {
			k.Tolerations = []corev1.Toleration{
				{Key: "a", Value: "b"},
				{Key: "c", Operator: "Exists", Effect: "NoExecute", TolerationSeconds: seconds(-1)},
				{Operator: "Exists"},
				{Key: "d", Operator: "Equal", Value: "e"},
			}
		}},
		{name: "loadbalance", options: options{"loadbalance": "random"}, want: func(k *Kubernetes) { k.LoadBalance = LoadBalanceRandom }},
		{name: "qemu", options: options{"qemu.install": "true", "qemu.image": "binfmt:1"}, want: func(k *Kubernetes) { k.QEMU = QEMU{Install: true, Image: "binfmt:1"} }},
		{name: "names", options: options{"namespace": "ns", "serviceaccount": "sa.x", "schedulername": "My_Sched"}, want: func(k *Kubernetes) {
			k.Namespace, k.ServiceAccount, k.SchedulerName = "ns", "sa.x", "My_Sched"
		}},
		{name: "timeout", options: options{"timeout": "1m30s"}, want: func(k *Kubernetes) { k.Timeout = 90 * time.Second }},
		{name: "environment is sorted", options: options{"env.b": "2", "env.a": "", "env.A.x-y": "3"}, want: func(k *Kubernetes) {
			k.Env = []corev1.EnvVar{{Name: "A.x-y", Value: "3"}, {Name: "a"}, {Name: "b", Value: "2"}}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, problems := load(t, definitionWith(t, DriverKubernetes, "", test.options))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			want := kubernetesDefaults()
			want.Image, want.Transport, want.UnschedulableGrace = defaultImage, TransportAuto, defaultUnschedulableGrace
			test.want(&want)
			if diff := cmp.Diff(&want, d.Nodes[0].Kubernetes); diff != "" {
				t.Error(diff)
			}
			if all := strings.Join(d.Warnings, "\n"); (test.warning == "") != (all == "") || !strings.Contains(all, test.warning) {
				t.Errorf("warnings: %q, want %q", all, test.warning)
			}
		})
	}
}

func TestKubernetesOptionProblems(t *testing.T) {
	for _, test := range []struct {
		name    string
		options options
		want    []string
		hint    string
	}{
		{"unknown", options{"replica": "2"}, []string{"node m: driver-opt replica: unknown option"}, `did you mean "replicas"?`},
		{"in another case", options{"Replicas": "2"}, []string{"driver-opt Replicas: unknown option"}, `did you mean "replicas"?`},
		{"image", options{"image": "Moby/BuildKit"}, []string{`driver-opt image: "Moby/BuildKit" is not an image reference: `}, "for example moby/buildkit:"},
		{"qemu.image", options{"qemu.image": "a b"}, []string{`driver-opt qemu.image: "a b" is not an image reference`}, ""},
		{"namespace", options{"namespace": "Build.Kit"}, []string{`driver-opt namespace: "Build.Kit" cannot be used: a lowercase RFC 1123 label`}, ""},
		{"serviceaccount", options{"serviceaccount": "a_b"}, []string{`driver-opt serviceaccount: "a_b" cannot be used`}, ""},
		{"schedulername", options{"schedulername": "a b"}, []string{`driver-opt schedulername: "a b" has white space in it`}, ""},
		{"replicas 0", options{"replicas": "0"}, []string{`driver-opt replicas: "0" is not a whole number of at least 1`}, "for example 2"},
		{"replicas too many", options{"replicas": "3000000000"}, []string{"is not a whole number"}, ""},
		{"replicas empty", options{"replicas": ""}, []string{`driver-opt replicas: "" is not a whole number`}, ""},
		{"replicas fraction", options{"replicas": 1.5}, []string{"driver-opt replicas: must be a string, not 1.5"}, "in quotes"},
		{"quantities", options{"requests.cpu": "1 core", "limits.memory": "-1Gi", "requests.memory": "8GB", "limits.ephemeral-storage": "x"}, []string{
			`driver-opt requests.cpu: "1 core" is not a quantity`, `driver-opt limits.memory: "-1Gi" is negative`,
			`driver-opt requests.memory: "8GB" is not a quantity`, `driver-opt limits.ephemeral-storage: "x" is not a quantity`,
		}, "limits.memory is a Kubernetes quantity that is not negative, for example 8Gi"},
		{"requests above limits", options{"requests.cpu": "2", "limits.cpu": "1", "requests.memory": "1Gi", "limits.memory": "1G", "requests.ephemeral-storage": "2", "limits.ephemeral-storage": "1"}, []string{
			"driver-opt requests.cpu: 2 is more than limits.cpu, which is 1", "driver-opt requests.memory: 1Gi is more than limits.memory, which is 1G",
			"driver-opt requests.ephemeral-storage: 2 is more than limits.ephemeral-storage, which is 1",
		}, ""},
		{"claim of nothing", options{"persistent-volume-claim.requests.storage": "0"}, []string{"persistent-volume-claim.requests.storage: must be more than zero"}, ""},
		{"memory", options{"buildkit-root-volume-memory": "much"}, []string{`driver-opt buildkit-root-volume-memory: "much" is not a quantity`}, ""},
		{"both spellings", options{"annotation": "a=b", "annotations": "a=b"}, []string{"driver-opt annotation: is another spelling of annotations, which is given too"}, ""},
		{"booleans", options{"rootless": "yes", "qemu.install": "", "default-load": "on"}, []string{
			`driver-opt rootless: "yes" is neither true nor false`, `driver-opt qemu.install: "" is neither`, `driver-opt default-load: "on" is neither`,
		}, "rootless is true or false, for example true"},
		{"loadbalance", options{"loadbalance": "Sticky"}, []string{`driver-opt loadbalance: "Sticky" is neither sticky nor random`}, ""},
		{"timeouts", options{"timeout": "120"}, []string{`driver-opt timeout: "120" is not a duration of more than zero`}, "for example 5m"},
		{"timeout of nothing", options{"timeout": "0s"}, []string{"is not a duration of more than zero"}, ""},
		{"nodeselector", options{"nodeselector": "arch,=x,b c=d,e=f g"}, []string{
			`driver-opt nodeselector: "arch" is not of the form key=value`, `driver-opt nodeselector: "=x" is not of the form key=value`,
			`driver-opt nodeselector: "b c" is not the name of a label`, `driver-opt nodeselector: "f g" cannot be the value of the label e`,
		}, "for example kubernetes.io/arch=arm64"},
		{"nodeselector empty", options{"nodeselector": ""}, []string{`driver-opt nodeselector: "" is not of the form key=value`}, ""},
		{"label given twice", options{"labels": "a=b,a=c,a=b"}, []string{`driver-opt labels: a is given twice, as "b" and as "c"`}, ""},
		{"label value with =", options{"labels": "a=b=c"}, []string{`driver-opt labels: "b=c" cannot be the value of the label a`}, ""},
		{"label app", options{"labels": "app=x"}, []string{`driver-opt labels: the label "app" is taken`}, ""},
		{"annotation of the platforms", options{"annotations": "buildx.docker.com/platform=x"}, []string{`driver-opt annotations: the annotation "buildx.docker.com/platform" is taken`}, ""},
		{"annotations", options{"annotations": "a b=c"}, []string{`driver-opt annotations: "a b" is not the name of an annotation`}, ""},
		{"annotations too long", options{"annotations": "a=" + strings.Repeat("x", 256<<10)}, []string{"annotations size 262145 is larger than limit 262144"}, ""},
		{"environment", options{"env.": "x", "env.1 2": "y", "env.X=Y": "z", "env.N": int64(1)}, []string{
			"driver-opt env.: the name of the variable is missing", "driver-opt env.1 2: not the name of a variable", "driver-opt env.X=Y: not the name of a variable",
			"driver-opt env.N: must be a string, not 1",
		}, "put the value in quotes"},
		{"list", options{"labels": []any{"a=b"}}, []string{"driver-opt labels: must be a string, not a list"}, ""},
		{"option of the other driver", options{"servername": "x"}, []string{"driver-opt servername: unknown option"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			checkProblems(t, definitionWith(t, DriverKubernetes, "", test.options), test.want, test.hint)
		})
	}
}

func TestTolerationProblems(t *testing.T) {
	for _, test := range []struct {
		value string
		want  []string
		hint  string
	}{
		{"", []string{"a toleration is empty"}, "for example key=dedicated"},
		{"key=a;", []string{"a toleration is empty"}, ""},
		{"key=a,effect", []string{`"effect" in toleration "key=a,effect" is not of the form key=value`}, ""},
		{"key=a,key=b", []string{`key is given twice in toleration "key=a,key=b"`}, ""},
		{"key=a,operator=exist", []string{`"exist" in toleration "key=a,operator=exist" is no operator; Exists and Equal are`}, `did you mean "Exists"?`},
		{"key=a,effect=NoScheduling", []string{`"NoScheduling" in toleration "key=a,effect=NoScheduling" is no effect; NoSchedule, PreferNoSchedule, NoExecute are`}, `did you mean "NoSchedule"?`},
		{"key=a,effect=NoExecute,tolerationSeconds=1m", []string{"tolerationSeconds in toleration", "is not a whole number"}[:1], ""},
		{"key=a,tolerationSeconds=60", []string{`has tolerationSeconds, which needs effect=NoExecute`}, ""},
		{"key=a,operator=Exists,value=b", []string{`has a value, which operator=Exists does not take`}, ""},
		{"value=b", []string{`toleration "value=b" has no key; only operator=Exists goes without one`}, ""},
		{"key=a b", []string{`the key of toleration "key=a b"`}, ""},
		{"key=a,value=b c", []string{`the value of toleration "key=a,value=b c"`}, ""},
		{"key=a,efect=NoSchedule", []string{`"efect" in toleration "key=a,efect=NoSchedule" is unknown`}, `did you mean "effect"?`},
		{"key=a,x=y;operator=z", []string{`"x" in toleration`, `"z" in toleration`}, ""},
	} {
		t.Run(test.value, func(t *testing.T) {
			checkProblems(t, definitionWith(t, DriverKubernetes, "", options{"tolerations": test.value}), test.want, test.hint)
		})
	}
}

func TestNumbersOfYAMLReachTheOptions(t *testing.T) {
	d, problems := load(t, "Name: a\nDriver: kubernetes\nNodes: [{Name: m, DriverOpts: {replicas: 2, requests.cpu: 0.25, rootless: yes, env.VERSION: '1.10'}}]\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	k := d.Nodes[0].Kubernetes
	if cpu := k.Requests[corev1.ResourceCPU]; k.Replicas != 2 || cpu.String() != "250m" || !k.Rootless || k.Env[0].Value != "1.10" {
		t.Errorf("got %+v", k)
	}
	checkProblems(t, "Name: a\nDriver: kubernetes\nNodes: [{Name: m, DriverOpts: {env.VERSION: 1.10, image: yes}}]\n", []string{
		"driver-opt env.VERSION: must be a string, not 1.1", "driver-opt image: must be a string, not true",
	}, "put the value in quotes")
}

func FuzzTolerations(f *testing.F) {
	f.Add("key=dedicated,operator=exists,effect=NoExecute,tolerationSeconds=60;key=a,value=b")
	f.Fuzz(func(t *testing.T, value string) {
		found := &findings{}
		list := readTolerations(value, report{file: "f", found: found})
		if len(found.problems) > 0 {
			return
		}
		if len(list) != strings.Count(strings.Trim(value, `"`), ";")+1 {
			t.Errorf("%d tolerations of %q", len(list), value)
		}
		for _, one := range list {
			if one.Key == "" && one.Operator != corev1.TolerationOpExists {
				t.Errorf("%q gives %+v", value, one)
			}
		}
	})
}

func FuzzPairs(f *testing.F) {
	f.Add(`"kubernetes.io/arch=arm64,a=b=c"`)
	f.Fuzz(func(t *testing.T, value string) {
		found := &findings{}
		pairs := readPairs(value, report{file: "f", found: found})
		checkLabels(pairs, report{file: "f", found: found})
		if len(found.problems) == 0 && len(pairs) == 0 {
			t.Errorf("%q is dropped in silence", value)
		}
	})
}

func FuzzOptions(f *testing.F) {
	for _, o := range kubernetesOptions() {
		f.Add(o.name, o.example)
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		found := &findings{}
		k := kubernetesDefaults()
		readOptions(kubernetesOptions(), &k, options{key: value}, report{file: "f", found: found})
		checkTogether(&k, report{file: "f", found: found})
		if len(found.problems) == 0 && (k.Replicas < 1 || k.Timeout <= 0 || k.Image == "") {
			t.Errorf("%s=%q gives %+v", key, value, k)
		}
		readOptions(remoteOptions(), &Remote{}, options{key: value}, report{file: "f", found: found})
	})
}

// TestExamplesOfOptions holds the reference to its word.
func TestExamplesOfOptions(t *testing.T) {
	for _, o := range kubernetesOptions() {
		if _, problems := load(t, definitionWith(t, DriverKubernetes, "", options{o.name: o.example})); len(problems) > 0 {
			t.Error(problems)
		}
	}
}
