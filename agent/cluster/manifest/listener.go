package manifest

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/slipway-build/slipway/agent/cluster/pki"
	"github.com/slipway-build/slipway/agent/cluster/rbac"
	"github.com/slipway-build/slipway/configmap"
)

const (
	// ListenPort is where buildkitd listens for agents: the port that
	// BuildKit's own documents use.
	ListenPort = 1234
	// AnnotationTLS marks a pod whose buildkitd listens there. Its value is
	// the name in the certificate that the pod was made with.
	AnnotationTLS = "slipway.build/tls"

	tlsVolume = "slipway-tls"
	tlsPath   = "/etc/slipway/tls"

	socket = "unix:///run/buildkit/buildkitd.sock"
	// rootlessRuntimeDir is XDG_RUNTIME_DIR of BuildKit's rootless image.
	rootlessRuntimeDir = "/run/user/1000"
)

// listenAddress has no host, so that one listener takes IPv4 and IPv6, or
// whichever of the two the pod has.
var listenAddress = "tcp://:" + strconv.Itoa(ListenPort)

// ServerName is the name that the certificate of node's buildkitd bears: the
// same for all pods of the workload, for as long as it exists.
func ServerName(node configmap.Node, namespace string) string {
	if name := node.Kubernetes.TLS.ServerName; name != "" {
		return name
	}
	return fmt.Sprintf("buildkitd.%s.%s", WorkloadName(node), namespace)
}

// ServerSecret is the name of the Secret with all certificates of node's workload.
func ServerSecret(node configmap.Node) string {
	if name := node.Kubernetes.TLS.ServerSecret; name != "" {
		return name
	}
	return WorkloadName(node) + "-tls"
}

// ClientSecret is the name of the Secret with the certificates that agents read.
func ClientSecret(node configmap.Node) string {
	if name := node.Kubernetes.TLS.ClientSecret; name != "" {
		return name
	}
	return WorkloadName(node) + "-tls-client"
}

// SecretNames are the Secrets with the certificates of node's workload that an
// agent reads or makes.
func SecretNames(node configmap.Node) rbac.SecretNames {
	var names rbac.SecretNames
	if node.Kubernetes == nil || node.Kubernetes.Transport == configmap.TransportExec {
		return names
	}
	if node.Kubernetes.TLS.ClientDir == "" {
		names.Client = ClientSecret(node)
	}
	if node.Kubernetes.TLS.ServerSecret == "" {
		names.Server, names.Client = ServerSecret(node), ClientSecret(node)
	}
	return names
}

// TLSSecret is a Secret of node's workload with certificates.
func TLSSecret(node configmap.Node, namespace, name string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{
			Name:      name,
			Namespace: namespace,
			Labels:    ownedBy(node, map[string]string{LabelApp: WorkloadName(node), LabelManagedBy: ManagedBy}),
		},
		Type: corev1.SecretTypeTLS,
		Data: data,
	}
}

// wantsListener is true when a workload made for node listens on TCP. Whoever
// has set up buildkitd's addresses by flags or in its configuration keeps them
// as they are: an address on the command line would replace those of the file.
func wantsListener(node configmap.Node) bool {
	k := node.Kubernetes
	if k.Transport == configmap.TransportExec {
		return false
	}
	// A rootless image without rootless=true has its socket elsewhere.
	if !k.Rootless && strings.Contains(k.Image, "rootless") {
		return false
	}
	for _, flag := range node.Flags {
		name, _, _ := strings.Cut(strings.TrimLeft(flag, "-"), "=")
		if strings.HasPrefix(flag, "-") && slices.Contains([]string{"addr", "tlscert", "tlskey", "tlscacert"}, name) {
			return false
		}
	}
	file, known := node.ConfigFile()
	var config struct {
		GRPC struct {
			Address []string `toml:"address"`
			TLS     struct {
				Cert string `toml:"cert"`
				Key  string `toml:"key"`
				CA   string `toml:"ca"`
			} `toml:"tls"`
		} `toml:"grpc"`
	}
	// buildkitd itself reports a file that cannot be read.
	if !known || toml.Unmarshal(node.Files[file], &config) != nil {
		return false
	}
	g := config.GRPC
	return len(g.Address) == 0 && g.TLS.Cert == "" && g.TLS.Key == "" && g.TLS.CA == ""
}

// WithoutListener is node as one that is reached by exec only.
func WithoutListener(node configmap.Node) configmap.Node {
	settings := *node.Kubernetes
	settings.Transport = configmap.TransportExec
	node.Kubernetes = &settings
	return node
}

// addListener makes the buildkitd of a pod template listen on TCP beside its
// socket, where the probes and exec find it.
func addListener(template *corev1.PodTemplateSpec, node configmap.Node, namespace string) {
	pod, container := &template.Spec, &template.Spec.Containers[0]
	address := socket
	// The key is nobody's but buildkitd's. A rootless one is not the owner of
	// the volume's files.
	mode := int32(0o400)
	if node.Kubernetes.Rootless {
		address = "unix://" + path.Join(runtimeDir(node), "buildkit", "buildkitd.sock")
		mode = 0o444
	}
	container.Args = append(container.Args,
		"--addr", address,
		"--addr", listenAddress,
		"--tlscacert", path.Join(tlsPath, pki.KeyCA),
		"--tlscert", path.Join(tlsPath, pki.KeyCertificate),
		"--tlskey", path.Join(tlsPath, pki.KeyPrivate),
	)
	container.Ports = append(container.Ports, corev1.ContainerPort{Name: ContainerName, ContainerPort: ListenPort})
	// By exec each look would start runc and buildctl, for as long as the pod
	// lives; that it answers at all is what the startup probe has found.
	container.ReadinessProbe.ProbeHandler = corev1.ProbeHandler{
		TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(ListenPort)},
	}
	container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: tlsVolume, MountPath: tlsPath, ReadOnly: true})
	// Item by item, because the client's key is in the same Secret.
	var items []corev1.KeyToPath
	for _, key := range []string{pki.KeyCA, pki.KeyCertificate, pki.KeyPrivate} {
		items = append(items, corev1.KeyToPath{Key: key, Path: key})
	}
	pod.Volumes = append(pod.Volumes, corev1.Volume{
		Name: tlsVolume,
		VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: ServerSecret(node), Items: items, DefaultMode: &mode,
		}},
	})
	if template.Annotations == nil {
		template.Annotations = map[string]string{}
	}
	template.Annotations[AnnotationTLS] = ServerName(node, namespace)
}

func runtimeDir(node configmap.Node) string {
	for _, e := range node.Kubernetes.Env {
		if e.Name == "XDG_RUNTIME_DIR" && e.Value != "" {
			return e.Value
		}
	}
	return rootlessRuntimeDir
}

// keepsListener is false when the definition's patch leaves no place for the
// listener: it replaces buildkitd's arguments or its user, or puts the pod on
// the network of its cluster node, where the port may be another's.
func keepsListener(template corev1.PodTemplateSpec, node configmap.Node) bool {
	if template.Spec.HostNetwork {
		return false
	}
	i := slices.IndexFunc(template.Spec.Containers, func(c corev1.Container) bool { return c.Name == ContainerName })
	if i < 0 {
		return false
	}
	container := template.Spec.Containers[i]
	if !slices.Contains(container.Args, listenAddress) {
		return false
	}
	var user *int64
	if s := template.Spec.SecurityContext; s != nil {
		user = s.RunAsUser
	}
	if s := container.SecurityContext; s != nil && s.RunAsUser != nil {
		user = s.RunAsUser
	}
	return node.Kubernetes.Rootless || user == nil || *user == 0
}
