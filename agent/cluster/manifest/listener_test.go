package manifest

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/rbac"
	"github.com/slipway-build/slipway/configmap"
)

func TestListener(t *testing.T) {
	config := func(text string, flags ...string) func(*configmap.Node) {
		return func(n *configmap.Node) {
			n.Files, n.Flags = map[string][]byte{"buildkitd.toml": []byte(text)}, flags
		}
	}
	patch := func(text string) func(*configmap.Node) {
		return func(n *configmap.Node) { n.Kubernetes.PodTemplate = []byte(text) }
	}
	for name, tt := range map[string]struct {
		change func(*configmap.Node)
		want   bool
	}{
		"default":                      {nil, true},
		"pinned to direct":             {func(n *configmap.Node) { n.Kubernetes.Transport = configmap.TransportDirect }, true},
		"pinned to exec":               {func(n *configmap.Node) { n.Kubernetes.Transport = configmap.TransportExec }, false},
		"other flags":                  {func(n *configmap.Node) { n.Flags = []string{"--debug", "--address-is-none-of=these"} }, true},
		"an address":                   {func(n *configmap.Node) { n.Flags = []string{"--addr", "unix:///x"} }, false},
		"an address in one word":       {func(n *configmap.Node) { n.Flags = []string{"-addr=unix:///x"} }, false},
		"a certificate":                {func(n *configmap.Node) { n.Flags = []string{"--tlscert=/x"} }, false},
		"configuration":                {config("debug = true\n[worker.oci]\nmax-parallelism = 3\n"), true},
		"address in the configuration": {config("[grpc]\naddress = [\"unix:///x\"]\n"), false},
		"certificate in it":            {config("[grpc.tls]\ncert = \"/x\"\n"), false},
		"configuration that is broken": {config("[grpc"), false},
		"the same file by flag":        {config("debug = true\n", "--config", "/etc/buildkit/buildkitd.toml"), true},
		"another file of ours by flag": {config("debug = true\n", "--config=/etc/buildkit/other.toml"), false},
		"a file of somebody's by flag": {config("debug = true\n", "--config=/x.toml"), false},
		"rootless":                     {func(n *configmap.Node) { n.Kubernetes.Rootless = true }, true},
		"rootless image only":          {func(n *configmap.Node) { n.Kubernetes.Image = "moby/buildkit:rootless" }, false},
		"patch elsewhere":              {patch(`{"spec":{"hostUsers":false,"containers":[{"name":"buildkitd","imagePullPolicy":"Always"}]}}`), true},
		"patched command":              {patch(`{"spec":{"containers":[{"name":"buildkitd","command":["sh","-c","exec buildkitd \"$@\"","--"]}]}}`), true},
		"patched arguments":            {patch(`{"spec":{"containers":[{"name":"buildkitd","args":["--debug"]}]}}`), false},
		"host network":                 {patch(`{"spec":{"hostNetwork":true}}`), false},
		"patched user of the pod":      {patch(`{"spec":{"securityContext":{"runAsUser":1000}}}`), false},
		"patched user":                 {patch(`{"spec":{"containers":[{"name":"buildkitd","securityContext":{"runAsUser":1000}}]}}`), false},
		"root by patch":                {patch(`{"spec":{"containers":[{"name":"buildkitd","securityContext":{"runAsUser":0}}]}}`), true},
		"rootless, patched user": {func(n *configmap.Node) {
			n.Kubernetes.Rootless = true
			patch(`{"spec":{"securityContext":{"runAsUser":1001}}}`)(n)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := Of(clustertest.Node(tt.change), "ci")
			if err != nil {
				t.Fatal(err)
			}
			pod := objects.Deployment.Spec.Template
			container := pod.Spec.Containers[0]
			// All of it or nothing of it.
			parts := map[string]bool{
				"annotation": objects.Listens(),
				"address":    slices.Contains(container.Args, listenAddress),
				"key":        slices.Contains(container.Args, "/etc/slipway/tls/tls.key"),
				"port":       len(container.Ports) > 0,
				"readiness":  container.ReadinessProbe.TCPSocket != nil && container.ReadinessProbe.TCPSocket.Port.IntValue() == ListenPort,
				"mount":      slices.ContainsFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == tlsVolume }),
				"volume":     slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == tlsVolume }),
			}
			if asks := container.ReadinessProbe.Exec != nil; asks == tt.want {
				t.Errorf("readiness by exec: %v, listens: %v", asks, tt.want)
			}
			// What is asked by exec is that buildkitd answers: it listens before
			// it can, and a stuck one still does.
			if container.StartupProbe.Exec == nil || container.LivenessProbe.Exec == nil {
				t.Error("startup or liveness does not ask buildkitd")
			}
			for part, got := range parts {
				if got != tt.want {
					t.Errorf("%s: %v, want %v", part, got, tt.want)
				}
			}
		})
	}
}

func TestListenerOfBroughtCertificates(t *testing.T) {
	node := clustertest.Node(func(n *configmap.Node) {
		n.Kubernetes.Rootless = true
		n.Kubernetes.Env = []corev1.EnvVar{{Name: "XDG_RUNTIME_DIR", Value: "/run/user/1001"}}
		n.Kubernetes.TLS = configmap.TLS{ServerSecret: "from-cert-manager", ClientSecret: "agents", ServerName: "buildkitd.example.com"}
	})
	objects, err := Of(node, "ci")
	if err != nil {
		t.Fatal(err)
	}
	pod := objects.Deployment.Spec.Template
	if got := pod.Annotations[AnnotationTLS]; got != "buildkitd.example.com" {
		t.Errorf("annotation %q", got)
	}
	i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == tlsVolume })
	if i < 0 || pod.Spec.Volumes[i].Secret.SecretName != "from-cert-manager" {
		t.Errorf("volumes %v", pod.Spec.Volumes)
	}
	if !slices.Contains(pod.Spec.Containers[0].Args, "unix:///run/user/1001/buildkit/buildkitd.sock") {
		t.Errorf("arguments %q", pod.Spec.Containers[0].Args)
	}
	if got := SecretNames(node); got != (rbac.SecretNames{Server: "", Client: "agents"}) {
		t.Errorf("Secrets of the agent's business: %+v", got)
	}
}

// A patch may bring a probe of another kind; the API server takes no probe with
// two handlers.
func TestPatchedProbeHandler(t *testing.T) {
	const exec, tcp, http = "exec", "tcpSocket", "httpGet"
	for name, tt := range map[string]struct{ probe, patch, want string }{
		"readiness by exec":      {"readinessProbe", `{"exec":{"command":["true"]}}`, exec},
		"readiness elsewhere":    {"readinessProbe", `{"tcpSocket":{"port":99}}`, tcp},
		"readiness, other times": {"readinessProbe", `{"periodSeconds":7}`, tcp},
		"liveness by TCP":        {"livenessProbe", `{"tcpSocket":{"port":1234}}`, tcp},
		"liveness, other times":  {"livenessProbe", `{"failureThreshold":2}`, exec},
		"startup by HTTP":        {"startupProbe", `{"httpGet":{"port":80}}`, http},
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := Of(clustertest.Node(func(n *configmap.Node) {
				n.Kubernetes.PodTemplate = []byte(`{"spec":{"containers":[{"name":"buildkitd","` + tt.probe + `":` + tt.patch + `}]}}`)
			}), "ci")
			if err != nil {
				t.Fatal(err)
			}
			c := objects.Deployment.Spec.Template.Spec.Containers[0]
			probe := map[string]*corev1.Probe{"startupProbe": c.StartupProbe, "readinessProbe": c.ReadinessProbe, "livenessProbe": c.LivenessProbe}[tt.probe]
			var got []string
			for kind, set := range map[string]bool{exec: probe.Exec != nil, tcp: probe.TCPSocket != nil, http: probe.HTTPGet != nil} {
				if set {
					got = append(got, kind)
				}
			}
			if !slices.Equal(got, []string{tt.want}) {
				t.Errorf("handlers %v, want %s", got, tt.want)
			}
		})
	}
}
