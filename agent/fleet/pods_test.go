package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// connectorOf returns a connector to the pods of a cluster.
func connectorOf(c *fleettest.Cluster) *Connector {
	return &Connector{Client: func(configmap.Node) (Cluster, error) { return c, nil }, Log: zerolog.Nop()}
}

// kubeNode is a node of the driver kubernetes.
func kubeNode(name string) configmap.Node {
	return configmap.Node{Name: name, Kubernetes: &configmap.Kubernetes{LoadBalance: configmap.LoadBalanceSticky}}
}

// inOrder are the names of pods as a build with that affinity prefers them.
func inOrder(affinity string, names ...string) []string {
	var pods []kube.Pod
	for _, name := range names {
		pods = append(pods, kube.Pod{Name: name})
	}
	var order []string
	for _, p := range cluster.Order(pods, configmap.LoadBalanceSticky, affinity) {
		order = append(order, p.Name)
	}
	return order
}

// TestConnectAsksForBusyPodsInTime has a pod that answers and does not say how busy it
// is: it is taken when the time is over.
func TestConnectAsksForBusyPodsInTime(t *testing.T) {
	order := inOrder("mine", "a", "b")
	silent := &fleettest.Daemon{Silent: true}
	c := fleettest.NewCluster(t, fleettest.Pod{Name: order[0], Daemon: silent}, fleettest.Pod{Name: order[1], Daemon: &fleettest.Daemon{}})
	connector := connectorOf(c)
	connector.Until, connector.Late = time.Now().Add(500*time.Millisecond), errors.New("late")
	node := kubeNode("n")
	node.Kubernetes.Overflow = 2
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	conn, err := connector.Connect(ctx, node, func() string { return "mine" }, func(string) {})
	if err != nil || ctx.Err() != nil {
		t.Fatalf("error %v", errors.Join(err, ctx.Err()))
	}
	defer func() { _ = conn.Close() }()
	if conn.Pod != order[0] {
		t.Errorf("connected to %s", conn)
	}
	if _, err := conn.Worker(ctx); err != nil {
		t.Errorf("the connection that was chosen: %v", err)
	}
}

func TestConnect(t *testing.T) {
	broken := errors.New("broken")
	forbidden := &kube.Error{Reason: kube.ReasonForbidden}
	blocked := &kube.Error{Reason: kube.ReasonBlocked}
	two := inOrder("mine", "a", "b")
	five := inOrder("mine", "a", "b", "c", "d", "e")
	failing := func(err error, calls ...string) func(string, int) error {
		return func(call string, _ int) error {
			if slices.Contains(calls, call) {
				return err
			}
			return nil
		}
	}
	for _, tt := range []struct {
		name      string
		pods      []string
		brokenPod string // answers the first request with an error
		busyPod   string // has more builds than the node's overflow
		reconcile bool
		fail      func(call string, n int) error
		want      string // the pod
		err       string
		calls     []string
	}{
		{name: "one pod", pods: []string{"a"}, want: "a", calls: []string{"up", "dial a"}},
		{name: "the preferred one of two", pods: []string{"a", "b"}, want: two[0], calls: []string{"up", "dial " + two[0]}},
		{name: "reconciled first", pods: []string{"a"}, reconcile: true, want: "a", calls: []string{"reconcile", "up", "dial a"}},
		{name: "cannot be reconciled", pods: []string{"a"}, reconcile: true, fail: failing(broken, "reconcile"), err: "node n: broken", calls: []string{"reconcile"}},
		{name: "does not start", pods: []string{"a"}, fail: failing(broken, "up"), err: "node n: broken", calls: []string{"up"}},
		{
			name: "another pod", pods: []string{"a", "b"}, fail: failing(broken, "dial "+two[0]),
			want: two[1], calls: []string{"up", "dial " + two[0], "up", "dial " + two[1]},
		},
		{
			name: "another pod after one that does not answer", pods: []string{"a", "b"}, brokenPod: two[0],
			want: two[1], calls: []string{"up", "dial " + two[0], "up", "dial " + two[1]},
		},
		{
			name: "the only pod once more", pods: []string{"a"}, fail: func(call string, n int) error {
				if call == "dial a" && n == 1 {
					return broken
				}
				return nil
			},
			want: "a", calls: []string{"up", "dial a", "up", "dial a"},
		},
		{
			name: "a right that is missing is so for all", pods: []string{"a", "b"}, fail: failing(forbidden, "dial "+two[0]),
			err: "node n: connect to pod " + two[0], calls: []string{"up", "dial " + two[0]},
		},
		{
			name: "a port that is blocked stays so", pods: []string{"a"}, fail: failing(blocked, "dial a"),
			err: "node n: connect to pod a", calls: []string{"up", "dial a", "up"},
		},
		{
			name: "no more than four", pods: []string{"a", "b", "c", "d", "e"},
			fail: failing(broken, "dial a", "dial b", "dial c", "dial d", "dial e"),
			err:  "node n: connect to pod " + five[3] + ": broken",
			calls: []string{
				"up", "dial " + five[0], "up", "dial " + inOrder("mine", five[1:]...)[0],
				"up", "dial " + five[2], "up", "dial " + five[3],
			},
		},
		{name: "a less busy one", pods: []string{"a", "b"}, busyPod: two[0], want: two[1], calls: []string{"up", "dial " + two[0], "dial " + two[1]}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var pods []fleettest.Pod
			for _, name := range tt.pods {
				d := &fleettest.Daemon{Broken: name == tt.brokenPod}
				if name == tt.busyPod {
					d.Active = 2
				}
				pods = append(pods, fleettest.Pod{Name: name, Daemon: d})
			}
			c := fleettest.NewCluster(t, pods...)
			c.Fail = tt.fail
			connector := connectorOf(c)
			connector.Reconcile = tt.reconcile
			node := kubeNode("n")
			node.Kubernetes.Overflow = 2
			conn, err := connector.Connect(t.Context(), node, func() string { return "mine" }, func(string) {})
			if diff := cmp.Diff(tt.calls, c.Calls()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if tt.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
			} else if err != nil {
				t.Fatal(err)
			} else {
				if conn.Pod != tt.want || conn.String() != "pod "+tt.want || conn.Version() != "v0.33.1" {
					t.Errorf("connected to %s, BuildKit %s, want pod %s", conn, conn.Version(), tt.want)
				}
				if err := conn.Close(); err != nil {
					t.Error(err)
				}
			}
			if n := c.Open(); n != 0 {
				t.Errorf("%d connections are not closed", n)
			}
		})
	}
}

// TestConnectIsCancelled has a pod that fails while the command is cancelled:
// it does not look for another one.
func TestConnectIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}}, fleettest.Pod{Name: "b", Daemon: &fleettest.Daemon{}})
	c.Fail = func(call string, _ int) error {
		if strings.HasPrefix(call, "dial ") {
			cancel()
			return ctx.Err()
		}
		return nil
	}
	if _, err := connectorOf(c).Connect(ctx, kubeNode("n"), nil, func(string) {}); !errors.Is(err, context.Canceled) || len(c.Calls()) != 2 {
		t.Errorf("error %v after %q", err, c.Calls())
	}
}

func TestConnectRemote(t *testing.T) {
	node := configmap.Node{Name: "far", Remote: &configmap.Remote{Address: (&fleettest.Daemon{}).Listen(t), Timeout: answerTimeout}}
	connector := &Connector{Log: zerolog.Nop()}
	conn, err := connector.Connect(t.Context(), node, nil, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if conn.String() != "builder" {
		t.Errorf("it is called %q", conn)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	connector.Access.Transport = configmap.TransportExec
	if _, err := connector.Connect(t.Context(), node, nil, func(string) {}); fault.ClassOf(err) != fault.ClassUsage {
		t.Errorf("with a transport: %v", err)
	}
}

func TestEveryPod(t *testing.T) {
	near := fleettest.NewCluster(t,
		fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}}, fleettest.Pod{Name: "b", Daemon: &fleettest.Daemon{}},
		fleettest.Pod{Name: "c", Daemon: &fleettest.Daemon{}}, fleettest.Pod{Name: "starting"})
	near.Fail = func(call string, _ int) error {
		if call == "dial b" {
			return errors.New("broken")
		}
		return nil
	}
	asleep, unknown := fleettest.NewCluster(t), fleettest.NewCluster(t)
	unknown.Fail = func(string, int) error { return errors.New("no answer") }
	clusters := map[string]*fleettest.Cluster{"near": near, "asleep": asleep, "unknown": unknown}
	connector := &Connector{Client: func(n configmap.Node) (Cluster, error) { return clusters[n.Name], nil }, Log: zerolog.Nop()}
	far := configmap.Node{Name: "far", Remote: &configmap.Remote{Address: (&fleettest.Daemon{}).Listen(t), Timeout: answerTimeout}}

	asked, absent := make(chan string, 10), ""
	err := connector.EveryPod(t.Context(), []configmap.Node{kubeNode("near"), far, kubeNode("asleep"), kubeNode("unknown")},
		func(n configmap.Node) { absent += n.Name },
		func(_ context.Context, n configmap.Node, pod string, d *buildkit.Daemon) error {
			asked <- n.Name + "/" + pod + " " + d.Version()
			if pod == "c" {
				return errors.New("refused")
			}
			return nil
		})
	close(asked)
	var all []string
	for one := range asked {
		all = append(all, one)
	}
	slices.Sort(all)
	if diff := cmp.Diff([]string{"far/ v0.33.1", "near/a v0.33.1", "near/c v0.33.1"}, all); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if absent != "asleep" {
		t.Errorf("without a pod: %q", absent)
	}
	var list fault.List
	if !errors.As(err, &list) || fault.ClassOf(err) != fault.ClassCluster {
		t.Fatalf("error %v", err)
	}
	if want := "node near: connect to pod b: broken; node near: pod c: refused; node unknown: no answer"; list.Error() != want {
		t.Errorf("error %q, want %q", list, want)
	}
	if n := near.Open(); n != 0 {
		t.Errorf("%d connections are not closed", n)
	}
}

func TestEveryPodIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	c := fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}})
	why := errors.New("by the user")
	err := connectorOf(c).EveryPod(ctx, []configmap.Node{kubeNode("n")}, func(configmap.Node) {}, func(context.Context, configmap.Node, string, *buildkit.Daemon) error {
		cancel(why)
		return fmt.Errorf("ask: %w", ctx.Err())
	})
	if !errors.Is(err, why) || fault.ClassOf(err) != fault.ClassCancelled {
		t.Errorf("error %v", err)
	}
}
