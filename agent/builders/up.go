package builders

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// Up makes sure that every node of a builder runs, is as its definition says and
// answers.
type Up struct {
	Definition configmap.Definition
	Access     cluster.Access

	// RenewCertificates makes new certificates before their time.
	RenewCertificates bool
	// MinReady is how many pods of each node are waited for; 0 is one.
	MinReady int
	// Timeout bounds how long nodes are waited for, below the timeouts of their
	// definition; 0 is no bound.
	Timeout time.Duration

	// Events is the stream of the command; nil for one of its own.
	Events *event.Stream

	Terminal *progress.Terminal
	Mode     progress.Mode
	Log      zerolog.Logger
}

// started is what Up takes of Kubernetes; *cluster.Client has it.
type started interface {
	fleet.Cluster
	// UpTo is Up for so many pods.
	UpTo(ctx context.Context, node configmap.Node, least int, report func(string)) ([]kube.Pod, error)
	// Certify renews the certificates of the node where it is time, or at once.
	Certify(ctx context.Context, node configmap.Node, renew bool, report func(string)) error
}

// Run returns when buildkitd of every node has answered, or with the first
// node's reason why it does not.
func (u Up) Run(ctx context.Context) error {
	u.Events = cmp.Or(u.Events, event.NewStream())
	clients := &fleet.Clients{Access: u.Access, Events: u.Events.Emitter(), Log: u.Log}
	return u.run(ctx, clients.Connector().Drifts, func(node configmap.Node) (started, error) { return clients.Of(node) })
}

func (u Up) run(ctx context.Context, drifts *cluster.Drifts, client func(configmap.Node) (started, error)) (err error) {
	if err := u.checkMinReady(); err != nil {
		return err
	}
	u.Events = cmp.Or(u.Events, event.NewStream())
	var until time.Time
	var late error
	if u.Timeout > 0 {
		unlimited := client
		until, late = time.Now().Add(u.Timeout), lateError{u.Timeout}
		client = func(node configmap.Node) (started, error) {
			c, err := unlimited(node)
			return limited{c, u.Timeout, until}, err
		}
	}
	display, err := progress.Open(ctx, u.Terminal, u.Mode, fmt.Sprintf("starting builder %q", u.Definition.Name))
	if err != nil {
		return fault.With(fault.ClassUsage, fmt.Errorf("--progress=%s: %w", u.Mode, err))
	}
	shown := u.Events.Subscribe("display", display)
	nodes := fleet.New(u.Definition, &fleet.Connector{
		Client:    func(node configmap.Node) (fleet.Cluster, error) { return client(node) },
		Access:    u.Access,
		Reconcile: true,
		Until:     until,
		Late:      late,
		Drifts:    drifts,
		Events:    u.Events.Emitter(),
		Log:       u.Log,
	})
	defer func() {
		nodes.Close()
		if closeErr := shown.End(); err == nil {
			err = closeErr
		}
		nodes.WarnOfDrift()
	}()
	view := nodes.View(u.Events.Emitter(), nil)

	group, starting := errgroup.WithContext(ctx)
	for i, node := range u.Definition.Nodes {
		group.Go(fault.Guard(func() error {
			conn, err := view.Connect(starting, i)
			if err != nil {
				return err
			}
			ready, err := u.ready(starting, client, node, conn)
			if err != nil {
				u.Events.Emitter().Node(node.Name).Emit(event.Event{NodeFailed: &event.NodeFailed{Stage: event.StageReady, Error: err.Error()}})
				return err
			}
			u.Events.Emitter().Node(node.Name, fleet.FormatPlatforms(fleet.BuildsFor(node, conn.Platforms()))...).Pod(conn.Pod).Emit(event.Event{Ready: ready})
			return nil
		}))
	}
	err = nodes.ExplainForbidden(ctx, cluster.UseBuild, group.Wait())
	if err == nil && u.Definition.Driver == configmap.DriverLocal {
		u.Log.Info().Msg("buildkitd can be started here; it is stopped again, for the driver local runs it during commands only")
	}
	return err
}

// checkMinReady refuses to wait for pods that nobody makes.
func (u Up) checkMinReady() error {
	for _, node := range u.Definition.Nodes {
		replicas := 1 // a remote builder is one
		if node.Kubernetes != nil {
			replicas = int(node.Kubernetes.Replicas)
		}
		if u.MinReady > replicas {
			return fault.With(fault.ClassUsage, &fault.Usage{
				Flag:    "--min-ready",
				Value:   strconv.Itoa(u.MinReady),
				Problem: fmt.Sprintf("node %s is to have %d pods and no more", node.Name, replicas),
				Hint:    "set the driver-opt replicas= of the definition",
			})
		}
	}
	return nil
}

// ready waits for what belongs to a node beside its connection: certificates that
// last, and as many pods as are wanted.
func (u Up) ready(ctx context.Context, client func(configmap.Node) (started, error), node configmap.Node, conn *fleet.Connection) (*event.Ready, error) {
	wait := u.Events.Emitter().Node(node.Name).Wait(event.StageReady)
	if err := u.certify(ctx, client, node, wait); err != nil {
		return nil, err
	}
	ready := &event.Ready{BuildKit: conn.Version()}
	if node.Kubernetes == nil {
		return ready, nil
	}
	kube, err := client(node)
	if err != nil {
		return nil, fault.With(fault.ClassCluster, err)
	}
	pods, err := kube.UpTo(ctx, node, u.MinReady, wait)
	if err != nil {
		return nil, fault.With(fleet.ClassOf(err), fmt.Errorf("node %s: %w", node.Name, err))
	}
	ready.Pods, ready.Wanted = len(pods), int(node.Kubernetes.Replicas)
	return ready, nil
}

// certify looks after the certificates of a node. Where nobody asked for that,
// an agent without the right to is none the worse.
func (u Up) certify(ctx context.Context, client func(configmap.Node) (started, error), node configmap.Node, report func(string)) error {
	if node.Remote != nil {
		return nil
	}
	kube, err := client(node)
	if err != nil {
		return fault.With(fault.ClassCluster, err)
	}
	err = kube.Certify(ctx, node, u.RenewCertificates, report)
	switch {
	case err == nil:
		return nil
	case u.RenewCertificates:
		return fault.With(fleet.ClassOf(err), fmt.Errorf("node %s: %w", node.Name, err))
	}
	u.Log.Debug().Err(err).Str("node", node.Name).Msg("the certificates were not looked after")
	return nil
}
