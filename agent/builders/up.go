package builders

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
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

	// Timing notes what the time is spent on; it may be nil.
	Timing *fleet.Timing

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
	clients := &fleet.Clients{Access: u.Access, Timing: u.Timing, Log: u.Log}
	return u.run(ctx, func(node configmap.Node) (started, error) { return clients.Of(node) })
}

func (u Up) run(ctx context.Context, client func(configmap.Node) (started, error)) (err error) {
	if err := u.checkMinReady(); err != nil {
		return err
	}
	if u.Timeout > 0 {
		unlimited, until := client, time.Now().Add(u.Timeout)
		client = func(node configmap.Node) (started, error) {
			c, err := unlimited(node)
			return limited{c, u.Timeout, until}, err
		}
	}
	display, err := progress.Open(ctx, u.Terminal, u.Mode, fmt.Sprintf("starting builder %q", u.Definition.Name))
	if err != nil {
		return fault.With(fault.ClassUsage, fmt.Errorf("--progress=%s: %w", u.Mode, err))
	}
	defer func() {
		if closeErr := display.Close(); err == nil {
			err = closeErr
		}
	}()
	nodes := fleet.New(u.Definition, &fleet.Connector{
		Client:    func(node configmap.Node) (fleet.Cluster, error) { return client(node) },
		Access:    u.Access,
		Reconcile: true,
		Timing:    u.Timing,
		Log:       u.Log,
	})
	defer nodes.Close()
	view := nodes.View(display, nil)

	group, ctx := errgroup.WithContext(ctx)
	for i, node := range u.Definition.Nodes {
		group.Go(fault.Guard(func() error {
			conn, err := view.Connect(ctx, i)
			if err != nil {
				return err
			}
			step := display.Step("[" + node.Name + "] ready")
			if err := u.certify(ctx, client, node, step.Say); err != nil {
				step.Done(fleet.ErrReasonBelow)
				return err
			}
			ready, err := u.ready(ctx, client, node, step.Say)
			if err != nil {
				step.Done(fleet.ErrReasonBelow)
				return err
			}
			step.Say(fmt.Sprintf("%s: BuildKit %s for %s%s", conn, conn.Version(), fleet.PlatformNames(fleet.BuildsFor(node, conn.Platforms())), ready))
			step.Done(nil)
			return nil
		}))
	}
	return group.Wait()
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

// ready waits for as many pods as are wanted and says how many there are.
func (u Up) ready(ctx context.Context, client func(configmap.Node) (started, error), node configmap.Node, report func(string)) (string, error) {
	if node.Kubernetes == nil {
		return "", nil
	}
	kube, err := client(node)
	if err != nil {
		return "", fault.With(fault.ClassCluster, err)
	}
	pods, err := kube.UpTo(ctx, node, u.MinReady, report)
	if err != nil {
		return "", fault.With(fleet.ClassOf(err), fmt.Errorf("node %s: %w", node.Name, err))
	}
	return fmt.Sprintf(", %d of %d pods ready", len(pods), node.Kubernetes.Replicas), nil
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
