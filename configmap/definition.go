package configmap

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// The drivers that a definition may name. buildx knows more of them; those
// need a Docker engine on the agent, which Slipway does without, and does not know
// DriverLocal.
const (
	DriverKubernetes = "kubernetes"
	DriverRemote     = "remote"
	DriverLocal      = "local"
)

// Definition describes one builder: a named group of nodes. It is what a file
// holds after it was found valid, so its values need no further check.
type Definition struct {
	// Name is the builder's name as it stands in the file.
	Name string
	// Driver is DriverKubernetes, DriverRemote or DriverLocal.
	Driver string
	// Nodes has at least one entry, in the order of the file.
	Nodes []Node
	// File is the path the definition was read from, for messages.
	File string
	// Warnings are spellings that were accepted but should be corrected. Each
	// names file, node and option.
	Warnings []string
}

// Node is one entry of a builder: one BuildKit workload, usually of one
// architecture.
type Node struct {
	Name     string
	Endpoint string
	// Platforms are what the node claims, normalized. Empty means: whatever
	// buildkitd reports once it runs.
	Platforms []ocispecs.Platform
	// StrictPlatforms says that the node builds for no platform that it does not
	// claim.
	StrictPlatforms bool
	// Flags are arguments for buildkitd.
	Flags []string
	// Files maps a path below /etc/buildkit ("buildkitd.toml",
	// "certs/host/ca.pem") to its decoded content.
	Files map[string][]byte
	// Kubernetes is set when the driver is DriverKubernetes, else nil.
	Kubernetes *Kubernetes
	// Remote is set when the driver is DriverRemote or DriverLocal, else nil. With
	// DriverLocal its address is the socket of the buildkitd that is started, and is
	// empty until Definition.WithCacheDir has set it.
	Remote *Remote
	// Local is set when the driver is DriverLocal, else nil.
	Local *Local
}

// DefaultLoad says whether a build without outputs stands for one with
// type=docker.
func (n Node) DefaultLoad() bool {
	return n.Kubernetes != nil && n.Kubernetes.DefaultLoad || n.Remote != nil && n.Remote.DefaultLoad
}

// Kubernetes holds the driver options of a node of the kubernetes driver,
// parsed, with buildx's defaults filled in, and the extensions of the
// "Slipway" key.
type Kubernetes struct {
	// Image is the BuildKit image; never empty.
	Image string
	// Namespace is empty when the definition leaves it to the identity.
	Namespace string
	// Replicas is at least 1.
	Replicas int32
	// Requests and Limits are keyed by cpu, memory and ephemeral-storage.
	Requests, Limits corev1.ResourceList
	// ClaimStorage asks for a StatefulSet with one claim of this size per pod.
	ClaimStorage *resource.Quantity
	// RootVolumeMemory puts buildkitd's state on a memory volume of this size.
	RootVolumeMemory *resource.Quantity
	Rootless         bool
	SchedulerName    string
	ServiceAccount   string
	NodeSelector     map[string]string
	Annotations      map[string]string
	Labels           map[string]string
	Tolerations      []corev1.Toleration
	LoadBalance      LoadBalance
	QEMU             QEMU
	// DefaultLoad stands for an output of type=docker when none is asked for.
	DefaultLoad bool
	// Timeout bounds the wait for a ready pod.
	Timeout time.Duration
	// Env are variables of the buildkitd container, sorted by name.
	Env []corev1.EnvVar
	// Kubeconfig is the kubeconfig= parameter of the endpoint, a path on the
	// machine that wrote the definition; often empty or absent here.
	Kubeconfig string

	// PodTemplate is a strategic-merge patch (JSON) on the pod template, nil
	// when there is none.
	PodTemplate json.RawMessage
	// Transport says how buildkitd is reached; never empty.
	Transport Transport
	// Drift is what is done about a workload that is not as the definition
	// says; empty where that is left to the command.
	Drift Drift
	// TLS says where the certificates of the TCP transports come from.
	TLS TLS
	// UnschedulableGrace is how long an unschedulable pod may wait for an
	// answer of a cluster autoscaler before the wait ends.
	UnschedulableGrace time.Duration
	// Overflow is how many active builds make a pod too busy for another one
	// that would like it; 0 for never.
	Overflow int
	// TerminationGrace is how long a pod that is asked to stop may go on with
	// the builds it has: whole seconds, at least one.
	TerminationGrace time.Duration
	// Owner is whom the workload belongs to, a label's value; empty when the
	// definition does not say.
	Owner string
	// IdleTimeout is after how long without a build the workload may be scaled
	// to zero; 0 for never.
	IdleTimeout time.Duration
	// Profile is empty where none is named: Rootless and PodTemplate decide.
	Profile Profile
	// StorageClass is that of the claims; nil for the cluster's default.
	StorageClass *string
}

// QEMU asks for an init container that registers emulators on the cluster
// node before buildkitd starts.
type QEMU struct {
	Install bool
	Image   string
}

// LoadBalance is how a pod is chosen among several.
type LoadBalance string

// The values that buildx knows for the driver option loadbalance.
const (
	LoadBalanceSticky LoadBalance = "sticky"
	LoadBalanceRandom LoadBalance = "random"
)

// Transport is how bytes reach buildkitd in its pod.
type Transport string

// The transports. Auto takes the first of the others that works.
const (
	TransportAuto        Transport = "auto"
	TransportDirect      Transport = "direct"
	TransportPortForward Transport = "portforward"
	TransportExec        Transport = "exec"
)

// transports are all of them, in the order in which auto tries them.
func transports() []string {
	return []string{string(TransportAuto), string(TransportDirect), string(TransportPortForward), string(TransportExec)}
}

// ParseTransport reads the name of a transport.
func ParseTransport(name string) (Transport, error) {
	if !slices.Contains(transports(), name) {
		return "", fmt.Errorf("%q is not a transport; there are %s", name, strings.Join(transports(), ", "))
	}
	return Transport(name), nil
}

// TLS are the certificates that a definition brings along. All of it is empty
// where Slipway makes them.
type TLS struct {
	// ServerSecret and ClientSecret are names of Secrets in the node's
	// namespace with the keys ca.crt, tls.crt and tls.key. Where ServerSecret
	// is set, nothing is made.
	ServerSecret, ClientSecret string
	// ServerName is the name in the server's certificate; empty for the one
	// that Slipway gives its own.
	ServerName string
	// ClientDir is a directory on the agent with the client's certificate, for
	// agents without the right to read a Secret. It is an absolute path.
	ClientDir string
}

// Remote holds the driver options of a node of the remote driver.
type Remote struct {
	// Address is tcp://host:port or unix:///path.
	Address string
	// CACert, Cert and Key are paths of PEM files; empty when not given.
	CACert, Cert, Key string
	// ServerName overrides the name that the server's certificate must bear.
	ServerName string
	// DefaultLoad stands for an output of type=docker when none is asked for.
	DefaultLoad bool
	// Timeout bounds the wait for the first answer of buildkitd.
	Timeout time.Duration
}
