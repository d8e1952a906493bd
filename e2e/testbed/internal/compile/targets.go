// Package compile builds the testbed's programs from Go modules, once for each
// set of versions.
package compile

import "strconv"

// Versions of what is compiled. go.mod of the components is what decides; these
// are what the programs say of themselves, and a test compares the two.
const (
	Kubernetes   = "v1.37.2"
	Containerd   = "v2.4.2"
	BuildKit     = "v0.34.2"
	Runc         = "v1.5.3"
	Distribution = "v3.1.2"
	Buildx       = "v0.38.2"
	Tekton       = "v1.15.0"
	Argo         = "v4.0.5"
)

// target is one call of go build.
type target struct {
	title string
	// folder is the module's, below that of the components.
	folder string
	// options are more flags of the go command.
	options  []string
	cgo      bool
	tags     string
	ldflags  string
	packages []string
}

// The flags are the same for every target, and those of the Makefile: the
// product's module asks for the same versions, so that what both link is
// compiled once on a machine. Debug information is a fifth of the compiler's
// work, and stripped from the programs anyway.
var flags = []string{"-trimpath", "-gcflags=all=-dwarf=false"}

// targets go into one module graph where they can, and those that need no C into one call:
// their common packages compile once and the two cores always have work.
var targets = []target{
	{
		title: "Kubernetes, containerd, BuildKit",
		// Whatever is left out here would need kernel headers or is never used;
		// tags that only one of the programs knows change nothing in the others.
		tags: "no_btrfs,no_devmapper,no_zfs,grpcnotrace,urfave_cli_no_docs,osusergo,netgo,static_build,seccomp",
		ldflags: "-s -w" + kubernetesVersion(Kubernetes) +
			" -X github.com/containerd/containerd/v2/version.Version=" + Containerd +
			" -X github.com/moby/buildkit/version.Version=" + BuildKit,
		packages: []string{
			"./kube",
			"./kubectl",
			"./pause",
			"github.com/containerd/containerd/v2/cmd/containerd",
			"github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
			"github.com/containerd/containerd/v2/cmd/ctr",
			"github.com/moby/buildkit/cmd/buildctl",
			"github.com/moby/buildkit/cmd/buildkitd",
		},
	},
	{
		title: "runc",
		// Static, because it also runs inside the BuildKit image; with C,
		// because it must enter namespaces before Go's runtime starts.
		cgo:      true,
		tags:     "seccomp,netgo,osusergo,urfave_cli_no_docs",
		ldflags:  "-s -w -linkmode external -extldflags -static",
		packages: []string{"github.com/opencontainers/runc"},
	},
	{
		title: "the registry",
		// A module of its own: in the others' it would raise the versions that
		// they share with the product, which would then be compiled twice.
		folder:   "registry",
		tags:     "grpcnotrace,osusergo,netgo",
		ldflags:  "-s -w -X github.com/distribution/distribution/v3/version.version=" + Distribution,
		packages: []string{".", "./token-registry"},
	},
}

// kubernetesVersion are the flags of the linker with which Kubernetes' programs
// say which version they are.
func kubernetesVersion(version string) string {
	return " -X k8s.io/component-base/version.gitVersion=" + version +
		" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=" + strconv.Itoa(Minor(version)) +
		" -X k8s.io/client-go/pkg/version.gitVersion=" + version
}

// links are the names under which the Kubernetes binary is started.
var links = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet"}
