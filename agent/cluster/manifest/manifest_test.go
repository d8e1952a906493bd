package manifest

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
)

func TestManifest(t *testing.T) {
	cases := map[string]func(*configmap.Node){
		"default": nil,
		"platforms": func(n *configmap.Node) {
			n.Platforms = []ocispecs.Platform{{OS: "linux", Architecture: "arm64", Variant: "v8"}, {OS: "linux", Architecture: "arm", Variant: "v7"}}
		},
		"flags":    func(n *configmap.Node) { n.Flags = []string{"--debug", "--allow-insecure-entitlement=network.host"} },
		"replicas": func(n *configmap.Node) { n.Kubernetes.Replicas = 3 },
		"resources": func(n *configmap.Node) {
			n.Kubernetes.Requests = corev1.ResourceList{"cpu": resource.MustParse("500m"), "memory": resource.MustParse("1Gi"), "ephemeral-storage": resource.MustParse("10Gi")}
			n.Kubernetes.Limits = corev1.ResourceList{"cpu": resource.MustParse("4"), "memory": resource.MustParse("8Gi"), "ephemeral-storage": resource.MustParse("50Gi")}
		},
		"scheduling": func(n *configmap.Node) {
			n.Kubernetes.NodeSelector = map[string]string{"kubernetes.io/arch": "amd64"}
			n.Kubernetes.Tolerations = []corev1.Toleration{{Key: "ci", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}}
			n.Kubernetes.SchedulerName = "volcano"
		},
		"serviceaccount": func(n *configmap.Node) { n.Kubernetes.ServiceAccount = "builder" },
		"metadata": func(n *configmap.Node) {
			n.Kubernetes.Labels = map[string]string{"team": "build"}
			n.Kubernetes.Annotations = map[string]string{"example.com/owner": "ci"}
		},
		"env": func(n *configmap.Node) {
			n.Kubernetes.Env = []corev1.EnvVar{{Name: "HTTP_PROXY", Value: "http://proxy:3128"}, {Name: "NO_PROXY", Value: ".svc"}}
		},
		"qemu": func(n *configmap.Node) {
			n.Kubernetes.QEMU = configmap.QEMU{Install: true, Image: "tonistiigi/binfmt:latest"}
		},
		"memory-root": func(n *configmap.Node) { n.Kubernetes.RootVolumeMemory = clustertest.Quantity("2Gi") },
		"claim":       func(n *configmap.Node) { n.Kubernetes.ClaimStorage = clustertest.Quantity("100Gi") },
		"claim-config": func(n *configmap.Node) {
			n.Kubernetes.ClaimStorage = clustertest.Quantity("100Gi")
			n.Files = map[string][]byte{"buildkitd.toml": []byte("debug = true\n")}
		},
		"rootless": func(n *configmap.Node) { n.Kubernetes.Rootless = true },
		"rootless-memory-root": func(n *configmap.Node) {
			n.Kubernetes.Rootless = true
			n.Kubernetes.RootVolumeMemory = clustertest.Quantity("2Gi")
		},
		"rootless-claim-config": func(n *configmap.Node) {
			n.Kubernetes.Rootless = true
			n.Kubernetes.ClaimStorage = clustertest.Quantity("100Gi")
			n.Files = map[string][]byte{"buildkitd.toml": []byte("debug = true\n")}
		},
		"user-namespace-claim-class": func(n *configmap.Node) {
			n.Kubernetes.Profile = configmap.ProfileUserNamespace
			n.Kubernetes.ClaimStorage, n.Kubernetes.StorageClass = clustertest.Quantity("100Gi"), new("fast-ssd")
		},
		"config": func(n *configmap.Node) {
			n.Files = map[string][]byte{
				"buildkitd.toml":          []byte("[registry.\"registry.example\"]\n"),
				"certs/b.example/ca.pem":  []byte("-----BEGIN CERTIFICATE-----\n"),
				"certs/b.example/key.pem": []byte("-----BEGIN EC PRIVATE KEY-----\n"),
				"certs/a.example/ca.pem":  []byte("-----BEGIN CERTIFICATE-----\n"),
				"certs/a.example/blob":    {0xff, 0xfe},
				"keys/only.key":           []byte("secret"),
			}
		},
		"pod-template": func(n *configmap.Node) {
			n.Kubernetes.PodTemplate = []byte(`{"metadata":{"labels":{"pool":"big"}},"spec":{"priorityClassName":"ci","hostUsers":false,"imagePullSecrets":[{"name":"pull"}],
				"containers":[{"name":"buildkitd","imagePullPolicy":"Always","env":[{"name":"A","value":"b"}]},{"name":"sidecar","image":"side"}],
				"volumes":[{"name":"extra","emptyDir":{}}]}}`)
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			objects, err := Of(clustertest.Node(change), "ci")
			if err != nil {
				t.Fatal(err)
			}
			clustertest.Golden(t, filepath.Join("testdata", "manifest", name+".yaml"), render(t, objects))
		})
	}
}

// render writes the objects in the order of their creation.
func render(t *testing.T, o Objects) string {
	t.Helper()
	var all []any
	for _, c := range o.ConfigMaps {
		all = append(all, c)
	}
	for _, s := range o.Secrets {
		all = append(all, s)
	}
	if o.Deployment != nil {
		all = append(all, o.Deployment)
	}
	if o.StatefulSet != nil {
		all = append(all, o.StatefulSet)
	}
	var out []string
	for _, object := range all {
		text, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	return strings.Join(out, "---\n")
}

func TestManifestRefusesPodTemplate(t *testing.T) {
	cases := map[string]struct{ patch, want string }{
		"no buildkitd":  {`{"spec":{"containers":[{"name":"buildkitd","$patch":"delete"},{"name":"other","image":"x"}]}}`, `it removes the container "buildkitd"`},
		"app label":     {`{"metadata":{"labels":{"app":"other"}}}`, `it changes the label "app"`},
		"unknown field": {`{"spec":{"priorityClass":"ci"}}`, `unknown field "priorityClass"`},
		"unknown list":  {`{"spec":{"containers":[{"name":"buildkitd","imagePolicy":"Always"}]}}`, `unknown field "imagePolicy"`},
		"wrong type":    {`{"spec":{"hostUsers":"no"}}`, "cannot unmarshal"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Of(clustertest.Node(func(n *configmap.Node) { n.Kubernetes.PodTemplate = []byte(c.patch) }), "ci")
			var e *kube.Error
			if !errors.As(err, &e) || e.Reason != kube.ReasonDefinition || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "node builder_amd64") {
				t.Errorf("got %v, want a definition error of node builder_amd64 with %q", err, c.want)
			}
		})
	}
}

// buildx looks for pods by the labels that it would give them itself.
func TestManifestIsFoundByBuildx(t *testing.T) {
	o, err := Of(clustertest.Node(func(n *configmap.Node) { n.Kubernetes.Labels = map[string]string{"team": "build"} }), "ci")
	if err != nil {
		t.Fatal(err)
	}
	d := o.Deployment
	for key, value := range map[string]string{"app": "builder-amd64", "team": "build"} {
		if d.Spec.Template.Labels[key] != value {
			t.Errorf("pod label %s is %q, want %q", key, d.Spec.Template.Labels[key], value)
		}
	}
	if d.Name != "builder-amd64" || d.Spec.Template.Spec.Containers[0].Name != "buildkitd" {
		t.Errorf("name %q, container 0 %q", d.Name, d.Spec.Template.Spec.Containers[0].Name)
	}
	if diff := cmp.Diff(map[string]string{"app": "builder-amd64"}, d.Spec.Selector.MatchLabels); diff != "" {
		t.Errorf("the selector holds more than the name (-want +got):\n%s", diff)
	}
}

func TestSpecHash(t *testing.T) {
	hash := func(change func(*configmap.Node)) string {
		o, err := Of(clustertest.Node(change), "ci")
		if err != nil {
			t.Fatal(err)
		}
		on := o.Deployment.Annotations[AnnotationSpecHash]
		if pods := o.Deployment.Spec.Template.Annotations[AnnotationSpecHash]; pods != on || on == "" {
			t.Fatalf("the workload has the hash %q, its pods %q", on, pods)
		}
		return on
	}
	files := func(content string) func(*configmap.Node) {
		return func(n *configmap.Node) {
			n.Files = map[string][]byte{"buildkitd.toml": []byte(content), "a/x": nil, "b/x": nil, "c/x": nil, "d/x": nil}
		}
	}
	same := hash(files("debug = true"))
	for range 20 {
		if got := hash(files("debug = true")); got != same {
			t.Fatalf("the same node hashes to %s and %s", same, got)
		}
	}
	seen := map[string]string{same: "files"}
	for name, change := range map[string]func(*configmap.Node){
		"nothing":       nil,
		"other content": files("debug = false"),
		"image":         func(n *configmap.Node) { n.Kubernetes.Image = "other" },
		"podTemplate":   func(n *configmap.Node) { n.Kubernetes.PodTemplate = []byte(`{"spec":{"priorityClassName":"ci"}}`) },
	} {
		h := hash(change)
		if other, ok := seen[h]; ok {
			t.Errorf("%s and %s have the same hash", name, other)
		}
		seen[h] = name
	}
	// More pods are no other pods, and nobody sets the hash but the program.
	if got := hash(func(n *configmap.Node) { n.Kubernetes.Replicas = 2 }); seen[got] != "nothing" {
		t.Error("the hash of a node depends on its replicas")
	}
	patch := `{"metadata":{"annotations":{"slipway.build/spec-hash":"mine"}}}`
	if got := hash(func(n *configmap.Node) { n.Kubernetes.PodTemplate = []byte(patch) }); seen[got] != "nothing" {
		t.Errorf("a patch makes the hash %q", got)
	}
}
