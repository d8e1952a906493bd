package builders

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// Remove removes what Slipway made of a builder in the cluster.
type Remove struct {
	Definition configmap.Definition
	Access     cluster.Access
	// Claims removes the persistent claims with the builder's cache as well.
	Claims bool
	// Busy removes a builder even while builds run on it, which its pods then
	// finish, or while it does not say whether any do.
	Busy bool
	// Timeout bounds the look at each builder; zero is no bound.
	Timeout time.Duration
	Log     zerolog.Logger
}

// Removal is what is to go of a builder.
type Removal struct {
	nodes []cluster.Removal
	kept  []string // of what is not in a cluster
}

// Objects names what is to go, in its order.
func (r Removal) Objects() []string {
	var all []string
	for _, n := range r.nodes {
		all = append(all, n.Objects()...)
	}
	return all
}

// Kept are sentences about what stays.
func (r Removal) Kept() []string {
	var all []string
	for _, n := range r.nodes {
		all = append(all, n.Kept...)
	}
	all = append(all, r.kept...)
	return all
}

// removed is what a removal takes of Kubernetes; *cluster.Client has it.
type removed interface {
	fleet.Cluster
	PlanRemoval(ctx context.Context, node configmap.Node, claims bool) (cluster.Removal, error)
}

// Plan finds what is to go and changes nothing. It fails where a node is not
// Slipway's to remove, and where builds run.
func (r Remove) Plan(ctx context.Context) (Removal, error) {
	clients := &fleet.Clients{Access: r.Access, Log: r.Log}
	return r.plan(ctx, func(node configmap.Node) (removed, error) { return clients.Of(node) })
}

func (r Remove) plan(ctx context.Context, client func(configmap.Node) (removed, error)) (Removal, error) {
	ctx, cancel := within(ctx, r.Timeout)
	defer cancel()
	var plan Removal
	var kubernetes []configmap.Node // a remote builder has nothing in a cluster
	for _, node := range r.Definition.Nodes {
		if node.Remote != nil {
			if l := node.Local; l != nil && l.Root != "" {
				plan.kept = append(plan.kept, "the cache of node "+node.Name+" stays in "+l.Root+"; to remove it: rm -rf "+l.Root+" (where the user is not root: rootlesskit rm -rf "+l.Root+")")
			}
			continue
		}
		kubernetes = append(kubernetes, node)
		removing, err := client(node)
		if err != nil {
			return plan, fault.With(fleet.ClassOf(err), err)
		}
		found, err := removing.PlanRemoval(ctx, node, r.Claims)
		if err != nil {
			err = r.offerAll(removing, node, err)
			return plan, fault.With(fleet.ClassOf(err), fmt.Errorf("node %s: %w", node.Name, err))
		}
		plan.nodes = append(plan.nodes, found)
	}
	if r.Busy {
		return plan, nil
	}
	connector := &fleet.Connector{
		Client: func(node configmap.Node) (fleet.Cluster, error) { return client(node) },
		Access: r.Access,
		Log:    r.Log,
	}
	return plan, r.idle(ctx, connector, kubernetes)
}

// offerAll offers the roles to remove all nodes of the refused one's cluster, where
// it is a right that is missing.
func (r Remove) offerAll(client removed, refused configmap.Node, err error) error {
	offering, ok := client.(interface {
		OfferRemoval(err error, nodes []configmap.Node) error
	})
	if !ok {
		return err
	}
	return offering.OfferRemoval(err, slices.DeleteFunc(slices.Clone(r.Definition.Nodes), func(n configmap.Node) bool {
		return n.Kubernetes == nil || n.Kubernetes.Kubeconfig != refused.Kubernetes.Kubeconfig
	}))
}

// Run removes what was found. done gets each object as it goes.
func (r Removal) Run(ctx context.Context, done func(string)) error {
	for _, n := range r.nodes {
		if err := n.Remove(ctx, done); err != nil {
			return fault.With(fleet.ClassOf(err), err)
		}
	}
	return nil
}

// idle fails unless all pods say that no build runs.
func (r Remove) idle(ctx context.Context, connector *fleet.Connector, nodes []configmap.Node) error {
	var mu sync.Mutex
	builds := 0
	err := connector.EveryPod(ctx, nodes, func(configmap.Node) {}, func(ctx context.Context, _ configmap.Node, _ string, d *buildkit.Daemon) error {
		n, err := d.Active(ctx)
		mu.Lock()
		defer mu.Unlock()
		builds += n
		return err
	})
	switch {
	case err != nil:
		return fault.With(fleet.ClassOf(err), &busy{builder: r.Definition.Name, unknown: err})
	case builds > 0:
		return fault.With(fault.ClassCluster, &busy{builder: r.Definition.Name, builds: builds})
	}
	return nil
}

// busy is a builder that is not removed from under its builds.
type busy struct {
	builder string
	builds  int
	// unknown is why it does not say how many there are; nil if it does.
	unknown error
}

// Error implements error.
func (e *busy) Error() string {
	if e.unknown != nil {
		return fmt.Sprintf("builder %q does not say whether builds run on it: %v", e.builder, e.unknown)
	}
	return fmt.Sprintf("builder %q is in use: %d builds run on it", e.builder, e.builds)
}

// Hints says how to go on.
func (e *busy) Hints() []string {
	wait := "wait for them, or remove it all the same with --force: its pods then finish them, for as long as the definition's terminationGrace allows, and end"
	return append([]string{wait}, fault.Hints(e.unknown)...)
}

// Unwrap returns why it is not known.
func (e *busy) Unwrap() error { return e.unknown }
