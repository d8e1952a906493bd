// Package state tells tests and benchmarks what the running testbed offers: how
// to reach the cluster, which images it has, where the programs are.
//
// Where TESTBED_KUBECONFIG is set, it tells of that cluster instead, and the
// image references come from the environment: TESTBED_BUILDKIT_IMAGE,
// TESTBED_AGENT_IMAGE, TESTBED_PEER_IMAGE and TESTBED_BUSYBOX_IMAGE. So does its
// registry: TESTBED_REGISTRY is its host and port, TESTBED_REGISTRY_CA the file of
// its root certificate, TESTBED_REGISTRY_USERNAME and TESTBED_REGISTRY_PASSWORD_FILE
// who may push. Everything that only a testbed on this machine has (its
// containerds, its folders) is then empty.
//
// On a testbed of this machine TESTBED_AGENT_IMAGE and TESTBED_PEER_IMAGE alone
// choose other images, such as those of a second checkout.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// State is the running testbed.
type State struct {
	// Kubeconfig is the path of an administrator's kubeconfig.
	Kubeconfig string `json:"kubeconfig"`
	// APIServer is the address that the kubeconfig and the pods use.
	APIServer string `json:"apiServer,omitempty"`
	// BinDir holds kubectl, ctr, buildctl, buildkitd, runc and the rest.
	BinDir string `json:"binDir,omitempty"`
	// LogDir holds the logs of the cluster's programs.
	LogDir string `json:"logDir,omitempty"`
	// Families are the IP families of pods and cluster nodes: ipv4, ipv6, or dual
	// with IPv4 first; empty where that is not known.
	Families string `json:"families,omitempty"`
	// Nodes are the cluster nodes.
	Nodes []Node `json:"nodes,omitempty"`
	// Images are what pods can run without pulling.
	Images Images `json:"images"`
	// Base is the base image for test builds.
	Base Base `json:"base"`
	// Registry authenticates by name and password. Everybody it knows may do
	// everything.
	Registry Registry `json:"registry,omitzero"`
	// TokenRegistry authenticates by tokens, which hold what a user may do.
	TokenRegistry Registry `json:"tokenRegistry,omitzero"`
	// Buildx is the path of docker buildx; empty until `testbed peer` made it.
	Buildx string `json:"buildx,omitempty"`
	// Versions says what runs.
	Versions map[string]string `json:"versions,omitempty"`
}

// Node is one cluster node.
type Node struct {
	Name string `json:"name"`
	// Arch is what the node is to Kubernetes.
	Arch string `json:"arch"`
	// IP is the node's own address.
	IP string `json:"ip"`
	// PodCIDR is the network of the node's pods.
	PodCIDR string `json:"podCIDR"`
	// Containerd is the socket of the node's containerd.
	Containerd string `json:"containerd"`
	// RegistryHosts is the folder in which containerd looks up how to reach a
	// registry (a folder for each host, with a hosts.toml).
	RegistryHosts string `json:"registryHosts"`
}

// Images are image references.
type Images struct {
	Pause    string `json:"pause,omitempty"`
	Busybox  string `json:"busybox,omitempty"`
	BuildKit string `json:"buildkit"`
	// NextBuildKit is BuildKit under another tag, for builders whose image
	// changes.
	NextBuildKit string `json:"nextBuildKit,omitempty"`
	// Rootless is BuildKit for a user that is not root.
	Rootless string `json:"rootless,omitempty"`
	// Agent has a shell, git, CA certificates and, at /usr/local/bin/slipway,
	// the product; the base image's layout is at /opt/base and the static
	// busyboxes at /opt/busybox.
	Agent string `json:"agent"`
	// Peer is the agent with buildx and buildctl beside slipway; empty until
	// `testbed peer` made it.
	Peer string `json:"peer,omitempty"`
	// PodShell is the program of Agent and Peer that runs the scripts of package
	// podshell; empty where the images are another cluster's.
	PodShell string `json:"podShell,omitempty"`
	// SlipwayInAgent tells whether the agent image holds the product.
	SlipwayInAgent bool `json:"slipwayInAgent"`
}

// PodShell is the name of the testbed's Images.PodShell, in the PATH.
const PodShell = "podshelld"

// Base is an image of linux/amd64 and linux/arm64 in an OCI image layout.
type Base struct {
	// Layout is the layout's folder on this machine.
	Layout string `json:"layout,omitempty"`
	// InAgent is the layout's folder in the agent image.
	InAgent string `json:"inAgent,omitempty"`
	Tag     string `json:"tag,omitempty"`
	Digest  string `json:"digest,omitempty"`
	// Busybox has the path of each architecture's static busybox on this machine.
	Busybox map[string]string `json:"busybox,omitempty"`
}

// ErrNotUp means that there is no testbed on this machine and none was named.
var ErrNotUp = errors.New("no testbed is up\nhint: start one with: cd e2e && go run ./testbed up")

// Dir is the folder of everything that lives as long as the cluster:
// TESTBED_STATE, or the machine's usual place.
func Dir() string {
	if dir := os.Getenv("TESTBED_STATE"); dir != "" {
		return dir
	}
	return "/var/lib/slipway-testbed"
}

// Path is the file that the testbed writes once the cluster is up.
func Path() string { return filepath.Join(Dir(), "state.json") }

// Load tells of the cluster that TESTBED_KUBECONFIG names, else of the testbed
// on this machine.
func Load() (State, error) {
	if kubeconfig := os.Getenv("TESTBED_KUBECONFIG"); kubeconfig != "" {
		return foreign(kubeconfig)
	}
	s, err := Read(Path())
	if agent := os.Getenv("TESTBED_AGENT_IMAGE"); agent != "" {
		s.Images.Agent = agent // of another checkout that shares this testbed
	}
	if rootless := os.Getenv("TESTBED_ROOTLESS_IMAGE"); rootless != "" {
		s.Images.Rootless = rootless // the same
	}
	if peer := os.Getenv("TESTBED_PEER_IMAGE"); peer != "" {
		s.Images.Peer = peer // the same
	}
	return s, err
}

// Read reads a state file.
func Read(path string) (State, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return State{}, ErrNotUp
	}
	if err != nil {
		return State{}, fmt.Errorf("read the testbed's state: %w", err)
	}
	var s State
	if err := json.Unmarshal(text, &s); err != nil {
		return State{}, fmt.Errorf("testbed state %s: %w", path, err)
	}
	return s, errors.Join(s.Registry.ReadPasswords(), s.TokenRegistry.ReadPasswords())
}

func foreign(kubeconfig string) (State, error) {
	s := State{
		Kubeconfig: kubeconfig,
		Images: Images{
			BuildKit:       os.Getenv("TESTBED_BUILDKIT_IMAGE"),
			NextBuildKit:   os.Getenv("TESTBED_NEXT_BUILDKIT_IMAGE"),
			Rootless:       os.Getenv("TESTBED_ROOTLESS_IMAGE"),
			Agent:          os.Getenv("TESTBED_AGENT_IMAGE"),
			Peer:           os.Getenv("TESTBED_PEER_IMAGE"),
			Busybox:        os.Getenv("TESTBED_BUSYBOX_IMAGE"),
			SlipwayInAgent: true,
		},
		Base: Base{InAgent: "/opt/base", Tag: "latest"},
	}
	s.Registry = foreignRegistry()
	if s.Images.BuildKit == "" || s.Images.Agent == "" {
		return State{}, errors.New("TESTBED_KUBECONFIG names a cluster, but not which images it can run\nhint: set TESTBED_BUILDKIT_IMAGE and TESTBED_AGENT_IMAGE to references that its nodes can pull")
	}
	return s, s.Registry.ReadPasswords()
}
