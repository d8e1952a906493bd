package builders

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/judge"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/localdaemon"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// Status is one builder as `slipway ls` shows it. The JSON keys are an
// interface to scripts.
type Status struct {
	// Name is the name of the builder.
	Name string `json:"name"`
	// Driver is kubernetes, remote or local.
	Driver string `json:"driver"`
	// File is the file of the definition.
	File string `json:"file"`
	// Selected is true for the builder that is taken where none is named.
	Selected bool `json:"selected"`
	// Nodes are in the order of the definition.
	Nodes []NodeStatus `json:"nodes"`
}

// NodeStatus is one node of a builder.
type NodeStatus struct {
	// Name is the name of the node.
	Name string `json:"name"`
	// Endpoint is "namespace/workload", or the address of a remote node.
	Endpoint string `json:"endpoint"`
	// Status is how far the node is.
	Status NodeState `json:"status"`
	// Ready and Desired count the workload's pods: those that are ready, and those
	// that are wanted.
	Ready   int32 `json:"ready"`
	Desired int32 `json:"desired"`
	// Platforms are those the definition declares, else those reported.
	Platforms []string `json:"platforms"`
	// BuildKit is the version of buildkitd; absent unless it runs.
	BuildKit string `json:"buildkit,omitempty"`
	// Drifted is true where the workload is known not to be as its definition says.
	Drifted bool `json:"drifted,omitempty"`
	// Reason says what a node that is starting waits for.
	Reason string `json:"reason,omitempty"`
	// Error says why a node is failing, forbidden or unreachable.
	Error string `json:"error,omitempty"`
	// Hints say what to do about that.
	Hints []string `json:"hints"`
}

// NodeState says how far a node is, in a word that is an interface to scripts.
type NodeState string

// The states of a node.
const (
	// StatusRunning: a buildkitd has answered.
	StatusRunning NodeState = "running"
	// StatusStarting: no pod is ready yet, and nothing is known to be wrong.
	StatusStarting NodeState = "starting"
	// StatusFailing: no pod is ready, for a reason that nobody is at work on, such
	// as an image that cannot be pulled.
	StatusFailing NodeState = "failing"
	// StatusStopped: the workload is scaled to zero, or no command uses the local
	// buildkitd; the next build starts it.
	StatusStopped NodeState = "stopped"
	// StatusAbsent: there is no workload; the next build makes it.
	StatusAbsent NodeState = "absent"
	// StatusForbidden: the agent has no right to look.
	StatusForbidden NodeState = "forbidden"
	// StatusUnreachable: neither the cluster nor a buildkitd has answered.
	StatusUnreachable NodeState = "unreachable"
)

// answered is true where something of the node is known.
func (n NodeStatus) answered() bool {
	return n.Status != StatusForbidden && n.Status != StatusUnreachable
}

// Active says by which node a builder may be in use, as in "node a is running";
// empty where no node has a pod: all are stopped or absent. A builder without nodes
// is not in use.
func (s Status) Active() string {
	if s.Driver == configmap.DriverLocal { // it says nothing that none runs now
		return "the driver local runs buildkitd during commands only"
	}
	for _, n := range s.Nodes {
		if n.Status != StatusStopped && n.Status != StatusAbsent {
			return fmt.Sprintf("node %s is %s", n.Name, n.Status)
		}
	}
	return ""
}

// Unanswered is the error of a list in which no node has answered, nil where one
// has or there is none.
func Unanswered(list []Status) error {
	nodes := 0
	for _, b := range list {
		for _, n := range b.Nodes {
			if n.answered() {
				return nil
			}
			nodes++
		}
	}
	switch {
	case nodes == 0:
		return nil
	case len(list) == 1:
		return fault.With(fault.ClassCluster, fmt.Errorf("no node of builder %q has answered", list[0].Name))
	}
	return fault.With(fault.ClassCluster, fmt.Errorf("no node of the %d builders has answered", len(list)))
}

// List looks at builders without changing anything.
type List struct {
	Definitions []configmap.Definition
	Access      cluster.Access
	// Timeout bounds what one node may take; zero is no bound.
	Timeout time.Duration
	Log     zerolog.Logger
}

// Run returns the status of every builder, in order. A node that cannot be
// reached is a status, not an error.
func (l List) Run(ctx context.Context) ([]Status, error) {
	return l.run(ctx, newInspector(l.Access, l.Log))
}

func (l List) run(ctx context.Context, nodes inspector) ([]Status, error) {
	out := make([]Status, len(l.Definitions))
	var group errgroup.Group
	group.SetLimit(fleet.MaxParallel)
	for i, d := range l.Definitions {
		out[i] = Status{Name: d.Name, Driver: d.Driver, File: d.File, Nodes: make([]NodeStatus, len(d.Nodes))}
		for j, node := range d.Nodes {
			group.Go(fault.Guard(func() error {
				ctx, cancel := within(ctx, l.Timeout)
				defer cancel()
				out[i].Nodes[j] = nodes.status(ctx, node)
				return nil
			}))
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return out, ctx.Err()
}

// inspector asks nodes and their pods about themselves.
type inspector struct {
	client    func(configmap.Node) (inspected, error)
	connector *fleet.Connector
	log       zerolog.Logger
}

// inspected is what an inspector takes of Kubernetes; *cluster.Client has it.
type inspected interface {
	fleet.Dialer
	Status(context.Context, configmap.Node) (cluster.Status, error)
	Drift(context.Context, configmap.Node) (cluster.Drift, error)
	// Trouble looks for what keeps a workload without a ready pod from having one.
	Trouble(context.Context, configmap.Node) (judge.Trouble, error)
	Reached(configmap.Node, kube.Pod) configmap.Transport
	CertificateExpiry(context.Context, configmap.Node) (time.Time, error)
}

func newInspector(access cluster.Access, log zerolog.Logger) inspector {
	clients := &fleet.Clients{Access: access, Log: log}
	return inspector{
		client:    func(node configmap.Node) (inspected, error) { return clients.Of(node) },
		connector: clients.Connector(),
		log:       log,
	}
}

func (c inspector) status(ctx context.Context, node configmap.Node) NodeStatus {
	s := NodeStatus{Name: node.Name, Platforms: fleet.FormatPlatforms(node.Platforms)}
	daemon, err := c.look(ctx, node, &s)
	if err != nil {
		s.fail(err)
		return s
	}
	if daemon == nil {
		return s
	}
	s.BuildKit = daemon.Version()
	if len(node.Platforms) == 0 {
		s.Platforms = fleet.FormatPlatforms(daemon.Platforms())
	}
	if err := daemon.Close(); err != nil {
		c.log.Debug().Err(err).Str("node", node.Name).Msg("close connection")
	}
	return s
}

// look fills in what the cluster knows and connects to a pod if one is ready.
func (c inspector) look(ctx context.Context, node configmap.Node, s *NodeStatus) (*buildkit.Daemon, error) {
	if node.Remote != nil {
		s.Endpoint = node.Remote.Address
		s.Desired = 1
		if node.Local != nil && !localdaemon.Running(node) {
			s.Status = StatusStopped
			return nil, nil
		}
		conn, err := c.connector.ConnectRemote(ctx, node)
		if err != nil {
			return nil, err
		}
		s.Status, s.Ready = StatusRunning, 1
		return conn.Daemon, nil
	}
	client, err := c.client(node)
	if err != nil {
		return nil, err
	}
	known, err := client.Status(ctx, node)
	if err != nil {
		return nil, err
	}
	s.Endpoint = known.Namespace + "/" + known.Name
	s.Desired = known.Replicas
	s.Ready = known.Ready
	c.condition(ctx, client, node, known, s)
	if known.Exists {
		lines, _ := c.drift(ctx, client, node)
		s.Drifted = len(lines) > 0
	}
	if s.Status != StatusRunning {
		return nil, nil
	}
	return c.connector.Ask(ctx, client, node, known.Usable[0])
}

// condition fills in the status of a workload, and why no pod of it is ready.
// StatusRunning means that a pod is there to be asked.
func (c inspector) condition(ctx context.Context, client inspected, node configmap.Node, known cluster.Status, s *NodeStatus) {
	switch {
	case !known.Exists:
		s.Status = StatusAbsent
		return
	case known.Replicas == 0:
		s.Status = StatusStopped
		return
	case len(known.Usable) > 0:
		s.Status = StatusRunning
		return
	}
	s.Status = StatusStarting
	trouble, err := client.Trouble(ctx, node)
	switch {
	case err != nil:
		c.log.Debug().Err(err).Str("node", node.Name).Msg("why no pod is ready is not known")
	case trouble.Err != nil && !trouble.MayHeal:
		s.Status = StatusFailing
		s.explain(fleet.ExplainPending(ctx, client, node, trouble.Err))
	default:
		s.Reason = sanitize.RedactURLs(trouble.Waiting)
	}
}

// fail fills in why nothing is known of a node.
func (s *NodeStatus) fail(err error) {
	s.Status = StatusUnreachable
	if fleet.IsReason(err, kube.ReasonForbidden) {
		s.Status = StatusForbidden
		s.Error, s.Hints = sanitize.RedactURLs(err.Error()), []string{"the roles with the rights that are missing, of all nodes: slipway doctor --rbac"}
		return
	}
	s.explain(err)
}

// explain fills in an error and its hints.
func (s *NodeStatus) explain(err error) {
	s.Error, s.Hints = sanitize.RedactURLs(err.Error()), fault.Hints(err)
}
