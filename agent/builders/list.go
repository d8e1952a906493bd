package builders

import (
	"context"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// listTimeout bounds how long one node may take to answer a listing.
const listTimeout = 20 * time.Second

// Status is one builder as `slipway ls` shows it. The JSON keys are an
// interface to scripts.
type Status struct {
	Name   string       `json:"name"`
	Driver string       `json:"driver"`
	File   string       `json:"file"`
	Nodes  []NodeStatus `json:"nodes"`
}

// NodeStatus is one node of a builder.
type NodeStatus struct {
	Name string `json:"name"`
	// Endpoint is "namespace/workload", or the address of a remote node.
	Endpoint string `json:"endpoint"`
	// Status is running, starting, stopped (scaled to zero), absent or
	// unreachable.
	Status string `json:"status"`
	// Pods counts the workload's pods: ready ones of those wanted.
	Ready   int32 `json:"ready"`
	Desired int32 `json:"desired"`
	// Platforms are those the definition declares, else those reported.
	Platforms []string `json:"platforms"`
	// BuildKit is the version of buildkitd, empty unless it runs.
	BuildKit string `json:"buildkit,omitempty"`
	// Error says why a node is unreachable.
	Error string `json:"error,omitempty"`
	// Hints say what to do about a cluster that does not answer.
	Hints []string `json:"hints,omitempty"`
}

// List looks at builders without changing anything.
type List struct {
	Definitions []configmap.Definition
	Access      cluster.Access
	Log         zerolog.Logger
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
				ctx, cancel := context.WithTimeout(ctx, listTimeout)
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
		s.Status = "unreachable"
		s.Error = sanitize.RedactURLs(err.Error())
		if fleet.IsReason(err, kube.ReasonUnreachable) || fleet.IsReason(err, kube.ReasonIdentity) {
			s.Hints = fault.Hints(err)
		}
		return s
	}
	if daemon == nil {
		return s
	}
	s.Status = "running"
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
		conn, err := c.connector.ConnectRemote(ctx, node)
		if err != nil {
			return nil, err
		}
		s.Ready = 1
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
	switch {
	case !known.Exists:
		s.Status = "absent"
		return nil, nil
	case known.Replicas == 0:
		s.Status = "stopped"
		return nil, nil
	case len(known.Usable) == 0:
		s.Status = "starting"
		return nil, nil
	}
	return c.connector.Ask(ctx, client, node, known.Usable[0])
}
