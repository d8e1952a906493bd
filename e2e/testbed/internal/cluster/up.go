package cluster

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/e2e/testbed/internal/proc"
	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
)

var poll = run.Poll

// Up starts the cluster on a machine that Down has cleaned. withContainerd is
// called for each node as soon as its containerd answers, while the rest starts.
func (c Cluster) Up(ctx context.Context, withContainerd func(ctx context.Context, socket string) error) error {
	if err := c.prepare(ctx); err != nil {
		return err
	}
	group, starting := errgroup.WithContext(ctx)
	for _, n := range nodes {
		group.Go(func() error {
			if err := c.startContainerd(starting, n); err != nil {
				return err
			}
			return withContainerd(starting, c.socket(n))
		})
	}
	group.Go(func() error { return c.startControlPlane(starting) })
	group.Go(func() error { return c.StartRegistries(starting) })
	if err := group.Wait(); err != nil {
		return err
	}
	for _, n := range nodes {
		if err := c.kubelet(n).Launch(ctx); err != nil {
			return err
		}
	}
	return c.awaitNodes(ctx)
}

// prepare makes everything that the daemons find when they start.
func (c Cluster) prepare(ctx context.Context) error {
	if err := c.alone(ctx); err != nil {
		return err
	}
	for _, n := range nodes {
		for _, folder := range []string{"cni", filepath.Join("registries", ownRegistry), "kubelet", "volume-plugins"} {
			if err := os.MkdirAll(filepath.Join(c.folder(n), folder), 0o755); err != nil {
				return fmt.Errorf("make the folders of %s: %w", n.name, err)
			}
		}
	}
	if err := hostUp(c.journal(), filepath.Join(c.Debian, "bin", "qemu-aarch64-static"), c.Families == IPv6 || c.Families == Dual); err != nil {
		return err
	}
	if _, err := c.cgroupsUp(); err != nil {
		return err
	}
	if err := c.networkUp(ctx); err != nil {
		return err
	}
	// etcd waits for the disk at every write; what it keeps here is worth no wait.
	if err := os.MkdirAll(c.path("etcd"), 0o700); err != nil {
		return fmt.Errorf("make the folder of etcd: %w", err)
	}
	if err := syscall.Mount("tmpfs", c.path("etcd"), "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "size=1g,mode=0700"); err != nil {
		return fmt.Errorf("mount the memory of etcd: %w", err)
	}
	tokens, err := writeSecrets(c.secrets())
	if err != nil {
		return err
	}
	return c.writeConfigs(tokens)
}

// ownRegistry is in the name of every image that the testbed makes. There is no
// such registry: a pull of what was not imported is refused at once, and no
// name server is asked for it.
const ownRegistry = "slipway.test"

func (c Cluster) writeConfigs(tokens map[string]string) error {
	ca, err := os.ReadFile(c.authority())
	if err != nil {
		return fmt.Errorf("read the cluster's root certificate: %w", err)
	}
	var failed error
	write := func(path, name string, values map[string]any) {
		text, err := render(name, values)
		if err == nil {
			err = proc.WriteFile(path, []byte(text), 0o600)
		}
		failed = errors.Join(failed, err)
	}
	for user, token := range tokens {
		path := c.kubeconfigOf(user)
		if user == "admin" {
			path = c.Kubeconfig()
		}
		write(path, "kubeconfig", map[string]any{"Server": c.APIServer(), "CA": base64.StdEncoding.EncodeToString(ca), "User": user, "Token": token})
	}
	write(c.path("proxy.yaml"), "proxy", map[string]any{
		"Kubeconfig": c.kubeconfigOf("system:kube-proxy"), "Name": nodes[0].name, "IP": c.ip(nodes[0]), "PodNetwork": c.list(podNetwork4, podNetwork6),
	})
	for _, n := range nodes {
		folder := c.folder(n)
		values := map[string]any{
			"Folder": folder, "Socket": c.socket(n), "Hosts": c.registryHosts(n), "Bin": c.Programs, "CNI": filepath.Join(c.Debian, "cni"),
			"Pause": c.Pause, "IP": c.ip(n), "HealthPort": n.healthPort, "Secrets": c.secrets(), "Cgroup": c.nodeCgroup(n.name),
			"FailsOnCgroupV1": c.has(failCgroupV1),
		}
		write(filepath.Join(folder, "containerd.toml"), "containerd", values)
		write(filepath.Join(folder, "kubelet.yaml"), "kubelet", values)
		network, err := c.podNetworkConfig(n, folder)
		failed = errors.Join(failed, err, proc.WriteFile(filepath.Join(folder, "cni", "10-pods.conflist"), []byte(network), 0o644))
		failed = errors.Join(failed, proc.WriteFile(filepath.Join(c.registryHosts(n), ownRegistry, "hosts.toml"), []byte("server = \"http://127.0.0.1:1\"\n"), 0o644))
		// For pods that ask for the node's DNS: there is none to reach either.
		failed = errors.Join(failed, proc.WriteFile(filepath.Join(folder, "resolv.conf"), []byte("nameserver 127.0.0.1\n"), 0o644))
	}
	return errors.Join(failed, c.writeRegistryConfigs())
}

func (c Cluster) startContainerd(ctx context.Context, n node) error {
	d := c.containerd(n)
	if err := d.Launch(ctx); err != nil {
		return err
	}
	return c.await(ctx, d, "the containerd of "+n.name, func(ctx context.Context) (bool, string) {
		err := run.Quiet(ctx, c.program("ctr"), "--address", c.socket(n), "--connect-timeout", "1s", "version")
		return err == nil, fmt.Sprint(err)
	})
}

func (c Cluster) startControlPlane(ctx context.Context) error {
	// The API server waits for etcd by itself.
	for _, d := range []proc.Daemon{c.etcd(), c.apiserver()} {
		if err := d.Launch(ctx); err != nil {
			return err
		}
	}
	server, err := c.api()
	if err != nil {
		return err
	}
	defer server.client.CloseIdleConnections()
	if err := c.await(ctx, c.apiserver(), "the API server", func(ctx context.Context) (bool, string) {
		if c.etcd().Ended() {
			return false, "etcd has ended: see " + c.etcd().LogPath()
		}
		err := server.get(ctx, "/readyz", nil)
		return err == nil, fmt.Sprint(err)
	}); err != nil {
		return err
	}
	for _, d := range []proc.Daemon{c.controllerManager(), c.scheduler(), c.proxy()} {
		if err := d.Launch(ctx); err != nil {
			return err
		}
	}
	return c.setArchitectures(ctx, server)
}

// setArchitectures makes node2 an arm64 node to Kubernetes. A kubelet insists on
// the architecture that it was compiled for and puts it back whenever it
// registers; an admission policy, or a webhook where there are none, has the last
// word. It must be in force before the kubelets come, or pods could be scheduled
// by the wrong label.
func (c Cluster) setArchitectures(ctx context.Context, server *api) error {
	const group = "/apis/admissionregistration.k8s.io/v1/"
	if !c.has(mutatingAdmissionPolicy) {
		if err := c.startArchWebhook(ctx, server, group); err != nil {
			return err
		}
		return c.awaitArchitectures(ctx, server)
	}
	for _, n := range nodes {
		text, err := render("arch", map[string]any{"Name": n.name, "Arch": n.arch})
		if err != nil {
			return err
		}
		policy, binding, _ := strings.Cut(text, "---\n")
		name := n.name + "-is-" + n.arch
		if err := server.apply(ctx, group+"mutatingadmissionpolicies/"+name, policy); err != nil {
			return fmt.Errorf("make the policy for the architecture of %s: %w", n.name, err)
		}
		if err := server.apply(ctx, group+"mutatingadmissionpolicybindings/"+name, binding); err != nil {
			return fmt.Errorf("make the policy for the architecture of %s: %w", n.name, err)
		}
	}
	return c.awaitArchitectures(ctx, server)
}

func (c Cluster) awaitArchitectures(ctx context.Context, server *api) error {
	for _, n := range nodes {
		if err := c.await(ctx, c.apiserver(), "the policy for the architecture of "+n.name, func(ctx context.Context) (bool, string) {
			var made nodeObject
			body := fmt.Sprintf(`{"apiVersion":"v1","kind":"Node","metadata":{"name":%q}}`, n.name)
			err := server.do(ctx, "POST", "/api/v1/nodes?dryRun=All", "application/json", body, &made)
			if err != nil {
				return false, err.Error()
			}
			return made.Metadata.Labels["kubernetes.io/arch"] == n.arch, "it has no effect yet"
		}); err != nil {
			return err
		}
	}
	return nil
}

func (c Cluster) awaitNodes(ctx context.Context) error {
	server, err := c.api()
	if err != nil {
		return err
	}
	defer server.client.CloseIdleConnections()
	for _, n := range nodes {
		if err := c.await(ctx, c.kubelet(n), n.name, func(ctx context.Context) (bool, string) {
			return c.nodeReady(ctx, server, n)
		}); err != nil {
			return err
		}
	}
	// Pods are refused until the controller has made the account they run as.
	return c.await(ctx, c.controllerManager(), "the default service account", func(ctx context.Context) (bool, string) {
		err := server.get(ctx, "/api/v1/namespaces/default/serviceaccounts/default", nil)
		return err == nil, fmt.Sprint(err)
	})
}

func (c Cluster) nodeReady(ctx context.Context, server *api, n node) (bool, string) {
	var got nodeObject
	if err := server.get(ctx, "/api/v1/nodes/"+n.name, &got); err != nil {
		return false, err.Error()
	}
	reason := got.unready(n)
	return reason == "", reason
}
