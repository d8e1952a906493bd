package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// podTries is how many pods of one node are tried before the agent gives up
// on connecting. A pod may go away between the look at the list and the dial;
// several in a row are a fault worth showing.
const podTries = 4

// Connector makes connections to the nodes of a definition. It may be used by
// several goroutines. Clients.Connector makes one.
type Connector struct {
	// Client returns the Kubernetes client of a node of the driver kubernetes.
	Client func(configmap.Node) (Cluster, error)
	// Access has the transport that was asked for, and reads the certificates of
	// remote nodes.
	Access cluster.Access
	// Reconcile compares a workload with its definition field by field before it
	// is used, and brings it up to date.
	Reconcile bool
	// AnswerWithin bounds how long EveryPod waits for a cluster and for the first
	// answer of a pod; zero is no bound of its own.
	AnswerWithin time.Duration
	// Until is when connections are no longer waited for, before the bounds of
	// their own; zero is no such time.
	Until time.Time
	// Late is the cause of a wait that Until has ended; it may be nil.
	Late error
	// Drifts are what the clients have found; it may be nil.
	Drifts *cluster.Drifts
	// Events gets the requests as spans.
	Events event.Emitter
	Log    zerolog.Logger

	mu    sync.Mutex
	plain map[string]bool // addresses that were warned of
	// known are the pods that DialNode has found last, by node.
	known map[string][]kube.Pod
}

// Connection is a buildkitd that has answered.
type Connection struct {
	*buildkit.Daemon
	// Pod is the name of the pod, empty with the remote driver.
	Pod string
	// Transport is how the pod is reached; empty with the remote driver.
	Transport configmap.Transport
	// Address is that of the remote driver.
	Address string

	// affinity is what the pod was chosen by; empty where there was no choice.
	affinity string
	// local is the use of a daemon that the driver local has started, else nil.
	local *leasedDaemon
}

// Connect makes sure that the node runs and returns a connection to one of
// its pods, which the caller closes. It reports in human lines what it waits for.
// affinity tells builds apart that should go to different pods of several; it is
// asked only where there is a choice, and nil where nothing is built.
func (c *Connector) Connect(ctx context.Context, node configmap.Node, affinity func() string, report func(string)) (*Connection, error) {
	return c.connect(ctx, node, affinity, "", report)
}

// connect is Connect with the name of a pod that is taken where it is ready, however
// busy it is; empty for none.
func (c *Connector) connect(ctx context.Context, node configmap.Node, affinity func() string, prefer string, report func(string)) (*Connection, error) {
	if node.Remote != nil {
		return c.connectRemote(ctx, node, affinity, report)
	}
	client, err := c.Client(node)
	if err != nil {
		return nil, err
	}
	if c.Reconcile {
		if err := client.Reconcile(ctx, node, report); err != nil {
			return nil, fmt.Errorf("node %s: %w", node.Name, err)
		}
	}
	var failed []string // pods that were ready in the list and did not answer
	var last error
	for {
		found := c.Events.Node(node.Name).Begin("find pods")
		pods, err := client.Up(ctx, node, report)
		found()
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", node.Name, err)
		}
		fresh := slices.DeleteFunc(slices.Clone(pods), func(p kube.Pod) bool { return slices.Contains(failed, p.Name) })
		if len(fresh) == 0 { // the failed ones are all there is; one more look at them
			if err := again(ctx, last); err != nil {
				return nil, fmt.Errorf("node %s: connect to pod %s: %w", node.Name, failed[len(failed)-1], err)
			}
			fresh = pods
		}
		key := ""
		if len(fresh) > 1 && affinity != nil { // git may have to tell
			key = affinity()
		}
		order := cluster.Order(fresh, node.Kubernetes.LoadBalance, key)
		if at := slices.IndexFunc(order, func(p kube.Pod) bool { return p.Name == prefer }); at >= 0 {
			order = order[at : at+1]
		}
		pod := order[0]
		daemon, err := c.ConnectPod(ctx, client, node, pod, report)
		if err == nil {
			daemon, pod = c.leastBusy(ctx, client, node, order, daemon, report)
			c.Log.Debug().Str("node", node.Name).Str("pod", pod.Name).Str("buildkit", daemon.Version()).Msg("connected")
			return &Connection{Daemon: daemon, Pod: pod.Name, Transport: client.Reached(node, pod), affinity: key}, nil
		}
		failed, last = append(failed, pod.Name), err
		if ctx.Err() != nil || c.late() || len(failed) == podTries || !worthAnotherPod(err) {
			return nil, fmt.Errorf("node %s: connect to pod %s: %w", node.Name, pod.Name, err)
		}
		report(fmt.Sprintf("pod %s does not answer (%v), looking for another one", pod.Name, err))
	}
}

// samePodPause is what a kubelet needs to see and to tell that a container has
// ended. Without it all tries are over while the pod still counts as ready.
const samePodPause = time.Second

// again waits before a pod that has just failed is tried once more, or returns
// why it failed if that lasts: a port that is blocked and certificates that do
// not fit stay so.
func again(ctx context.Context, why error) error {
	if known := (*kube.Error)(nil); errors.As(why, &known) && slices.Contains([]kube.Reason{kube.ReasonBlocked, kube.ReasonCertificate, kube.ReasonForeign}, known.Reason) {
		return why
	}
	pause := time.NewTimer(samePodPause)
	defer pause.Stop()
	select {
	case <-pause.C:
		return nil
	case <-ctx.Done():
		return errors.Join(why, context.Cause(ctx))
	}
}

// answerTimeout bounds the wait for the answer to the first request over a
// connection that stands. It is long because a busy cluster node is slow.
const answerTimeout = time.Minute

// busyTimeout bounds the look for a pod that is less busy, of all pods together: a
// build can begin without it.
const busyTimeout = 10 * time.Second

// leastBusy is leastBusy for the pods of a node, of which the first has answered.
func (c *Connector) leastBusy(ctx context.Context, client Dialer, node configmap.Node, order []kube.Pod, first *buildkit.Daemon, report func(string)) (*buildkit.Daemon, kube.Pod) {
	ctx, cancel := c.within(ctx, busyTimeout)
	defer cancel()
	return leastBusy(ctx, overflow(node.Kubernetes), order, first, func(ctx context.Context, pod kube.Pod) (*buildkit.Daemon, error) {
		return c.ConnectPod(ctx, client, node, pod, report)
	})
}

// ConnectPod returns a connection to a pod once its buildkitd has answered.
func (c *Connector) ConnectPod(ctx context.Context, client Dialer, node configmap.Node, pod kube.Pod, report func(string)) (*buildkit.Daemon, error) {
	ctx, cancel := c.within(ctx, answerTimeout)
	defer cancel()
	dial := func(ctx context.Context) (net.Conn, error) {
		defer c.Events.Node(node.Name).Begin("dial pod " + pod.Name)()
		return client.Dial(ctx, node, pod, report)
	}
	daemon, err := buildkit.Connect(ctx, dial, buildkit.Observe(c.Events.Node(node.Name).Observe()))
	return daemon, c.explainLate(ctx, err)
}

// within bounds the wait for a connection by its own limit and by Until.
func (c *Connector) within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if !c.Until.IsZero() && time.Until(c.Until) < limit {
		return context.WithDeadlineCause(ctx, c.Until, c.Late)
	}
	return context.WithTimeout(ctx, limit)
}

// late is true when nothing is waited for any more.
func (c *Connector) late() bool { return !c.Until.IsZero() && !time.Now().Before(c.Until) }

// explainLate adds Late to the error of a wait that Until has ended: dialling
// reports the end of a context without its cause.
func (c *Connector) explainLate(ctx context.Context, err error) error {
	if err == nil || c.Late == nil || !errors.Is(context.Cause(ctx), c.Late) || errors.Is(err, c.Late) {
		return err
	}
	return fmt.Errorf("%w: %w", c.Late, err)
}

// Ask is ConnectPod for those who only have a question: what they wait for is
// logged at debug level.
func (c *Connector) Ask(ctx context.Context, client Dialer, node configmap.Node, pod kube.Pod) (*buildkit.Daemon, error) {
	return c.ConnectPod(ctx, client, node, pod, func(line string) {
		c.Log.Debug().Str("node", node.Name).Str("pod", pod.Name).Msg(line)
	})
}

// worthAnotherPod says whether another pod might answer where this one did
// not: rights are the same for all.
func worthAnotherPod(err error) bool {
	known := (*kube.Error)(nil)
	return !errors.As(err, &known) || known.Reason != kube.ReasonForbidden
}

// ConnectRemote returns a connection to a node of the driver remote or local; the
// daemon of the latter is started where it does not run.
func (c *Connector) ConnectRemote(ctx context.Context, node configmap.Node) (*Connection, error) {
	return c.connectRemote(ctx, node, nil, c.debug(node))
}

// connectRemote is ConnectRemote for a build: slipway agent, which may be behind a unix
// socket or ask for a client's certificate, chooses the pod by what it is sent of the
// affinity.
func (c *Connector) connectRemote(ctx context.Context, node configmap.Node, affinity func() string, report func(string)) (*Connection, error) {
	if t := c.Access.Transport; t != "" && t != configmap.TransportAuto {
		return nil, fault.With(fault.ClassUsage, fmt.Errorf("node %s: --transport %s has no meaning with the driver %s, which connects to %s", node.Name, t, driverOf(node), node.Remote.Address))
	}
	if isPlain(*node.Remote) {
		c.warnPlain(node)
	}
	key := ""
	if affinity != nil && (strings.HasPrefix(node.Remote.Address, "unix://") || node.Remote.Cert != "") {
		key = affinity()
	}
	ctx, cancel := c.within(ctx, node.Remote.Timeout)
	defer cancel()
	dial, local := c.dialerOf(node, report)
	daemon, err := c.askPatiently(ctx, node, func() (*buildkit.Daemon, error) {
		return buildkit.Connect(ctx, c.patient(node, dial),
			buildkit.Observe(c.Events.Node(node.Name).Observe()), buildkit.Metadata(api.AffinityMetadata, key))
	})
	if err = c.explainLate(ctx, err); err != nil {
		return nil, fmt.Errorf("node %s: %w", node.Name, connectError(node, err))
	}
	return &Connection{Daemon: daemon, Address: node.Remote.Address, affinity: key, local: local}, nil
}

// isPlain is true for a remote builder whose connection anybody on the way can
// read and answer.
func isPlain(r configmap.Remote) bool {
	u, err := url.Parse(r.Address)
	if err != nil || u.Scheme != "tcp" || r.CACert != "" || r.Cert != "" || r.Key != "" || r.ServerName != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
}

// warnPlain warns of a node's plain connection, once for each address.
func (c *Connector) warnPlain(node configmap.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.plain[node.Remote.Address] {
		return
	}
	if c.plain == nil {
		c.plain = make(map[string]bool)
	}
	c.plain[node.Remote.Address] = true
	c.Log.Warn().Msgf("node %s: the connection to %s is neither encrypted nor authenticated: contexts, secrets and credentials can be read on the way, and anybody can answer; set the driver-opts cacert, cert and key", node.Name, node.Remote.Address)
}

// String names the connection in messages.
func (c *Connection) String() string {
	if c.Pod == "" {
		return "builder"
	}
	return "pod " + c.Pod
}
