package fleettest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/judge"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
)

// Pod is a pod of the workload.
type Pod struct {
	Name string
	// Daemon answers in it; nil for a pod that is not ready.
	Daemon *Daemon
}

// Cluster is one workload with its pods. Its methods are those that commands take
// of *cluster.Client. Every call is noted, as a word and what it was about: "up",
// "dial a", "certify", "plan n".
type Cluster struct {
	// Pods are the pods of the workload.
	Pods []Pod
	// Workload is what Status returns, but for the pods, which are those of Pods.
	// A zero one is a workload that exists and wants as many pods as there are.
	Workload cluster.Status
	// Fail, if set, returns the error of the n-th call (from 1) of that name, as it
	// is noted; nil is success.
	Fail func(call string, n int) error
	// Lines are those that Drift returns, and Partial why it did not compare all.
	Lines   []string
	Partial string
	// OldPods are those that Drift returns.
	OldPods []string
	// Wrong is what Trouble returns.
	Wrong judge.Trouble
	// Expiry is what CertificateExpiry returns.
	Expiry time.Time
	// Removal is what PlanRemoval returns.
	Removal cluster.Removal

	t     testing.TB
	mu    sync.Mutex
	calls []string
	open  int
}

// NewCluster returns a cluster with pods that are ready.
func NewCluster(t testing.TB, pods ...Pod) *Cluster {
	return &Cluster{t: t, Pods: pods}
}

// Calls returns what was called so far, in its order.
func (c *Cluster) Calls() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// Open returns how many connections have been dialled and not closed.
func (c *Cluster) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// note notes a call and returns its error.
func (c *Cluster) note(call string) error {
	c.mu.Lock()
	c.calls = append(c.calls, call)
	n := 0
	for _, known := range c.calls {
		if known == call {
			n++
		}
	}
	c.mu.Unlock()
	if c.Fail == nil {
		return nil
	}
	return c.Fail(call, n)
}

// Up returns the pods that are ready.
func (c *Cluster) Up(_ context.Context, _ configmap.Node, report func(string)) ([]kube.Pod, error) {
	report("waiting for a pod")
	if err := c.note("up"); err != nil {
		return nil, err
	}
	return c.ready(), nil
}

// UpTo returns the pods that are ready.
func (c *Cluster) UpTo(_ context.Context, _ configmap.Node, least int, _ func(string)) ([]kube.Pod, error) {
	if err := c.note(fmt.Sprintf("up to %d", least)); err != nil {
		return nil, err
	}
	return c.ready(), nil
}

func (c *Cluster) ready() []kube.Pod {
	var pods []kube.Pod
	for _, p := range c.Pods {
		if p.Daemon != nil {
			pods = append(pods, kube.Pod{Namespace: "ci", Name: p.Name, Listens: !c.Expiry.IsZero()})
		}
	}
	return pods
}

// Reconcile does nothing.
func (c *Cluster) Reconcile(context.Context, configmap.Node, func(string)) error {
	return c.note("reconcile")
}

// Certify does nothing.
func (c *Cluster) Certify(_ context.Context, _ configmap.Node, renew bool, _ func(string)) error {
	if renew {
		return c.note("certify at once")
	}
	return c.note("certify")
}

// Dial connects to the daemon of a pod.
func (c *Cluster) Dial(ctx context.Context, _ configmap.Node, pod kube.Pod, _ func(string)) (net.Conn, error) {
	if err := c.note("dial " + pod.Name); err != nil {
		return nil, err
	}
	at := slices.IndexFunc(c.Pods, func(p Pod) bool { return p.Name == pod.Name })
	conn, err := c.Pods[at].Daemon.dial(ctx, c.t)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open++
	return &countedConn{Conn: conn, cluster: c}, nil
}

// countedConn tells its cluster when it is closed.
type countedConn struct {
	net.Conn
	cluster *Cluster
	once    sync.Once
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.once.Do(func() {
		c.cluster.mu.Lock()
		defer c.cluster.mu.Unlock()
		c.cluster.open--
	})
	return c.Conn.Close()
}

// Status returns Workload with the pods.
func (c *Cluster) Status(context.Context, configmap.Node) (cluster.Status, error) {
	if err := c.note("status"); err != nil {
		return cluster.Status{}, err
	}
	s := c.Workload
	if s.Name == "" {
		s = cluster.Status{Kind: "Deployment", Namespace: "ci", Name: "builder", Exists: true, Managed: true, Replicas: int32(len(c.Pods))}
	}
	s.Usable = c.ready()
	s.Ready = int32(len(s.Usable))
	for _, p := range c.Pods {
		pod := cluster.PodStatus{Name: p.Name, Phase: "Running", Running: true, Ready: p.Daemon != nil}
		if !pod.Ready {
			pod.Waiting = "it is not ready yet"
		}
		s.Pods = append(s.Pods, pod)
	}
	return s, nil
}

// Drift returns Lines and Partial.
func (c *Cluster) Drift(context.Context, configmap.Node) (cluster.Drift, error) {
	return cluster.Drift{Lines: c.Lines, Partial: c.Partial, OldPods: c.OldPods}, c.note("drift")
}

// Trouble returns Wrong.
func (c *Cluster) Trouble(context.Context, configmap.Node) (judge.Trouble, error) {
	return c.Wrong, c.note("trouble")
}

// Reached is direct.
func (c *Cluster) Reached(configmap.Node, kube.Pod) configmap.Transport {
	return configmap.TransportDirect
}

// CertificateExpiry returns Expiry.
func (c *Cluster) CertificateExpiry(context.Context, configmap.Node) (time.Time, error) {
	return c.Expiry, c.note("expiry")
}

// PlanRemoval returns Removal.
func (c *Cluster) PlanRemoval(_ context.Context, node configmap.Node, claims bool) (cluster.Removal, error) {
	call := "plan " + node.Name
	if claims {
		call += " with claims"
	}
	return c.Removal, c.note(call)
}
