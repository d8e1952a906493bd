// Package cluster starts and stops a real Kubernetes of two nodes on one
// machine.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/slipway-build/slipway/e2e/testbed/internal/proc"
	"github.com/slipway-build/slipway/e2e/testbed/internal/report"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// Cluster is the testbed's Kubernetes, running or not.
type Cluster struct {
	// State is the folder of everything that lives as long as the cluster.
	State string
	// Programs holds what was compiled, Debian what came from packages.
	Programs, Debian string
	// Pause is the reference of the sandbox image.
	Pause string
	// Kubernetes is the version, such as v1.30.14; empty for the newest.
	Kubernetes string
	// Families are the IP families; empty is IPv4.
	Families Families
	// ArchWebhook is the program that says which architecture nodes have; needed
	// before Kubernetes 1.36.
	ArchWebhook string
	Out         *report.Reporter
}

func (c Cluster) path(elements ...string) string {
	return filepath.Join(append([]string{c.State}, elements...)...)
}

func (c Cluster) secrets() string { return c.path("secrets") }
func (c Cluster) logs() string    { return c.path("logs") }
func (c Cluster) journal() string { return c.path("host.json") }

// authority is the path of the root certificate.
func (c Cluster) authority() string { return filepath.Join(c.secrets(), "ca.crt") }

// Kubeconfig is the path of the administrator's kubeconfig.
func (c Cluster) Kubeconfig() string { return c.path("kubeconfig") }

// Nodes tells of the cluster nodes.
func (c Cluster) Nodes() []state.Node {
	var all []state.Node
	for _, n := range nodes {
		all = append(all, state.Node{
			Name: n.name, Arch: n.arch, IP: c.ip(n), PodCIDR: pick(c, n.podCIDR4, n.podCIDR6)[0],
			Containerd:    c.socket(n),
			RegistryHosts: c.registryHosts(n),
		})
	}
	return all
}

// APIServer is the address of the API server.
func (c Cluster) APIServer() string { return "https://" + net.JoinHostPort(c.apiAddress(), apiPort) }

// LogDir holds the daemons' logs.
func (c Cluster) LogDir() string { return c.logs() }

func (c Cluster) folder(n node) string        { return c.path(n.name) }
func (c Cluster) socket(n node) string        { return c.path(n.name, "containerd.sock") }
func (c Cluster) registryHosts(n node) string { return c.path(n.name, "registries") }

func (c Cluster) kubeconfigOf(user string) string { return c.path("secrets", user+".kubeconfig") }

// longestSocket is what the kernel takes as a socket's path.
const longestSocket = 107

// Check refuses what cannot work, before anything is changed.
func (c Cluster) Check() error {
	if runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" {
		return fmt.Errorf("the testbed runs on linux/amd64 and not on %s/%s\nhint: set TESTBED_KUBECONFIG to use a cluster that you have", runtime.GOOS, runtime.GOARCH)
	}
	if os.Geteuid() != 0 {
		return errors.New("the testbed makes namespaces, mounts and cgroups and must run as root\nhint: use it on a machine or a container of its own")
	}
	if longest := c.socket(nodes[0]) + ".ttrpc"; len(longest) > longestSocket {
		return fmt.Errorf("the state folder %s is too long: %s would have %d characters and a socket's path may have %d\nhint: set TESTBED_STATE to a shorter path", c.State, longest, len(longest), longestSocket)
	}
	return nil
}

// startLimit bounds the start of each part of the cluster. A part that ends is
// noticed at once; what is only slow gets the time that a slow machine needs.
const startLimit = 5 * time.Minute

// await polls for a state of a daemon and gives up at once when the daemon has
// ended; either way the error shows what the daemon said last.
func (c Cluster) await(ctx context.Context, d proc.Daemon, what string, done func(context.Context) (bool, string)) error {
	err := poll(ctx, what, startLimit, func(ctx context.Context) (bool, string, error) {
		if d.Ended() {
			return false, "", fmt.Errorf("%s has ended", d.Name)
		}
		ok, reason := done(ctx)
		return ok, reason, nil
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w\nthe last lines of %s:\n%s", err, d.LogPath(), report.Indent(d.LogTail(12)))
	}
	return err
}
