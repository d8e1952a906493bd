package builders

import (
	"context"
	"fmt"
	"strconv"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/solve"
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

	// Timing notes what the time is spent on; it may be nil.
	Timing *fleet.Timing

	Terminal *progress.Terminal
	Mode     progress.Mode
	Log      zerolog.Logger
}

// Run returns when buildkitd of every node has answered, or with the first
// node's reason why it does not.
func (u Up) Run(ctx context.Context) (err error) {
	if err := u.checkMinReady(); err != nil {
		return err
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
	connector := &fleet.Connector{Access: u.Access, Reconcile: true, Timing: u.Timing, Log: u.Log}
	nodes := fleet.New(u.Definition, connector, display)
	defer nodes.Close()

	group, ctx := errgroup.WithContext(ctx)
	for i, node := range u.Definition.Nodes {
		group.Go(fault.Guard(func() error {
			conn, err := nodes.Connect(ctx, i)
			if err != nil {
				return err
			}
			step := display.Step("[" + node.Name + "] ready")
			if err := u.certify(ctx, connector, node, step.Say); err != nil {
				step.Done(fleet.ErrReasonBelow)
				return err
			}
			ready, err := u.ready(ctx, connector, node, step.Say)
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
			return fault.With(fault.ClassUsage, &solve.UsageError{
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
func (u Up) ready(ctx context.Context, connector *fleet.Connector, node configmap.Node, report func(string)) (string, error) {
	if node.Kubernetes == nil {
		return "", nil
	}
	client, err := connector.Client(node)
	if err != nil {
		return "", fault.With(fault.ClassCluster, err)
	}
	pods, err := client.UpTo(ctx, node, u.MinReady, report)
	if err != nil {
		return "", fault.With(fleet.ClassOf(err), fmt.Errorf("node %s: %w", node.Name, err))
	}
	return fmt.Sprintf(", %d of %d pods ready", len(pods), node.Kubernetes.Replicas), nil
}

// certify looks after the certificates of a node. Where nobody asked for that,
// an agent without the right to is none the worse.
func (u Up) certify(ctx context.Context, connector *fleet.Connector, node configmap.Node, report func(string)) error {
	if node.Remote != nil {
		return nil
	}
	client, err := connector.Client(node)
	if err != nil {
		return fault.With(fault.ClassCluster, err)
	}
	err = client.Certify(ctx, node, u.RenewCertificates, report)
	switch {
	case err == nil:
		return nil
	case u.RenewCertificates:
		return fault.With(fleet.ClassOf(err), fmt.Errorf("node %s: %w", node.Name, err))
	}
	u.Log.Debug().Err(err).Str("node", node.Name).Msg("the certificates were not looked after")
	return nil
}
