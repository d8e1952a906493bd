package cluster

import (
	"path/filepath"

	"github.com/slipway-build/slipway/e2e/testbed/internal/proc"
)

const (
	etcdClient = "http://127.0.0.1:22379"
	etcdPeer   = "http://127.0.0.1:22380"
)

func (c Cluster) daemon(name string, argv ...string) proc.Daemon {
	var procs []string
	// Without cgroups nothing starts; with them, this cannot fail.
	if roots, err := hierarchies(); err == nil {
		for _, root := range roots {
			procs = append(procs, filepath.Join(root, c.daemonCgroup(), "cgroup.procs"))
		}
	}
	return proc.Daemon{
		Name: name,
		Argv: argv,
		Env: []string{
			// containerd looks for its shim there, the shim and kubelet for the rest.
			"PATH=" + c.Programs + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
			// Less of the processor for collecting garbage, while there is memory.
			"GOGC=400", "GOMEMLIMIT=1GiB",
		},
		CgroupProcs: procs,
		Dir:         c.logs(),
	}
}

func (c Cluster) program(name string) string { return filepath.Join(c.Programs, name) }

func (c Cluster) etcd() proc.Daemon {
	return c.daemon("etcd", filepath.Join(c.Debian, "bin", "etcd"),
		"--name=testbed", "--data-dir="+c.path("etcd", "data"),
		"--listen-client-urls="+etcdClient, "--advertise-client-urls="+etcdClient,
		"--listen-peer-urls="+etcdPeer, "--initial-advertise-peer-urls="+etcdPeer,
		"--initial-cluster=testbed="+etcdPeer,
		"--log-level=warn", "--logger=zap", "--log-outputs=stderr",
	)
}

func (c Cluster) apiserver() proc.Daemon {
	s := c.secrets()
	return c.daemon("kube-apiserver", c.program("kube-apiserver"),
		"--advertise-address="+c.apiAddress(), "--bind-address="+c.apiAddress(), "--secure-port="+apiPort,
		"--etcd-servers="+etcdClient,
		"--service-cluster-ip-range="+c.list(serviceNetwork4, serviceNetwork6),
		"--tls-cert-file="+s+"/apiserver.crt", "--tls-private-key-file="+s+"/apiserver.key",
		"--client-ca-file="+s+"/ca.crt", "--token-auth-file="+s+"/tokens.csv",
		"--kubelet-client-certificate="+s+"/apiserver-kubelet-client.crt", "--kubelet-client-key="+s+"/apiserver-kubelet-client.key",
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+s+"/service-accounts.key", "--service-account-signing-key-file="+s+"/service-accounts.key",
		// On top of what is on by default: ServiceAccount, ResourceQuota, PodSecurity, …
		"--enable-admission-plugins=NodeRestriction",
		"--authorization-mode=Node,RBAC",
		"--allow-privileged=true",
		"--v=1",
	)
}

func (c Cluster) controllerManager() proc.Daemon {
	s, kubeconfig := c.secrets(), c.kubeconfigOf("system:kube-controller-manager")
	return c.daemon("kube-controller-manager", c.program("kube-controller-manager"),
		"--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--bind-address=127.0.0.1", "--cert-dir="+c.path("certs", "controller-manager"),
		"--service-account-private-key-file="+s+"/service-accounts.key", "--root-ca-file="+s+"/ca.crt",
		"--cluster-signing-cert-file="+s+"/ca.crt", "--cluster-signing-key-file="+s+"/ca.key",
		"--use-service-account-credentials=true",
		"--leader-elect=false", // there is only one, and it need not wait for a lease
		"--v=1",
	)
}

func (c Cluster) scheduler() proc.Daemon {
	kubeconfig := c.kubeconfigOf("system:kube-scheduler")
	return c.daemon("kube-scheduler", c.program("kube-scheduler"),
		"--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--bind-address=127.0.0.1", "--cert-dir="+c.path("certs", "scheduler"),
		"--leader-elect=false",
		"--v=1",
	)
}

// proxy serves both nodes: they share the machine's network and its rules.
func (c Cluster) proxy() proc.Daemon {
	return c.daemon("kube-proxy", c.program("kube-proxy"), "--config="+c.path("proxy.yaml"), "--v=1")
}

func (c Cluster) containerd(n node) proc.Daemon {
	return c.daemon("containerd-"+n.name, c.program("containerd"), "--config="+filepath.Join(c.folder(n), "containerd.toml"), "--log-level=warn")
}

func (c Cluster) kubelet(n node) proc.Daemon {
	return c.daemon("kubelet-"+n.name, c.program("kubelet"),
		"--config="+filepath.Join(c.folder(n), "kubelet.yaml"),
		"--kubeconfig="+c.kubeconfigOf("system:node:"+n.name),
		"--hostname-override="+n.name, "--node-ip="+c.list(n.ip4, n.ip6),
		"--root-dir="+filepath.Join(c.folder(n), "kubelet"), "--cert-dir="+filepath.Join(c.folder(n), "kubelet-certs"),
	)
}

// daemons lists all of them in the order in which they stop: whoever would
// start something again goes first.
func (c Cluster) daemons() []proc.Daemon {
	var all []proc.Daemon
	for _, n := range nodes {
		all = append(all, c.kubelet(n))
	}
	all = append(all, c.proxy(), c.scheduler(), c.controllerManager(), c.apiserver())
	for _, n := range nodes {
		all = append(all, c.containerd(n))
	}
	for _, r := range registries {
		all = append(all, c.registry(r))
	}
	if !c.has(mutatingAdmissionPolicy) {
		all = append(all, c.archWebhook())
	}
	return append(all, c.etcd())
}
