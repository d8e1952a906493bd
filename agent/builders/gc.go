package builders

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// Collect scales idle builders to zero and removes what is left over of
// definitions that are no more.
type Collect struct {
	// Known are all definitions that there are: what one of them names is not
	// left over.
	Known []configmap.Definition
	// Chosen are the builders to look at, which are among them.
	Chosen []configmap.Definition
	// Owners are those whose workloads may be left over, besides those of the
	// chosen builders.
	Owners []string
	// OlderThan is how long ago what is left over must have been made and last
	// used.
	OlderThan time.Duration
	// Claims removes the persistent claims of what is left over as well.
	Claims bool
	// DryRun changes nothing.
	DryRun bool
	// Timeout bounds the time for each workload; zero is no bound.
	Timeout time.Duration

	Access cluster.Access
	Log    zerolog.Logger
}

// CollectAction is what garbage collection does with a workload.
type CollectAction string

// The actions.
const (
	// CollectLeft: nothing.
	CollectLeft CollectAction = "left"
	// CollectScaled: it was scaled to zero.
	CollectScaled CollectAction = "scaled"
	// CollectRemoved: it was removed.
	CollectRemoved CollectAction = "removed"
	// CollectFailed: it could not be looked at, or what was to be done failed.
	CollectFailed CollectAction = "failed"
)

// Collected is what became of one workload. The JSON keys are an interface to
// scripts.
type Collected struct {
	// Namespace, Kind and Name identify the workload; the kind is Deployment or
	// StatefulSet.
	Namespace string `json:"namespace"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	// Builder and Node are those of the definition; absent for what none names.
	Builder string `json:"builder,omitempty"`
	Node    string `json:"node,omitempty"`
	// Owner is what the workload's label says.
	Owner string `json:"owner,omitempty"`
	// Action is what was done with the workload.
	Action CollectAction `json:"action"`
	// DryRun is true where nothing was done, and Action is what would be.
	DryRun bool `json:"dryRun"`
	// Reason says why.
	Reason string `json:"reason"`
	// Objects are what went with it, as in "secret builder-tls in namespace ci".
	Objects []string `json:"objects"`
	// Kept are sentences about what stays.
	Kept []string `json:"kept"`
}

// place is where a workload is found.
type place struct{ namespace, name string }

// candidate is a workload to look at.
type candidate struct {
	Collected
	client *cluster.Client
	node   configmap.Node
	// idle is how long it may be idle, 0 for ever; only with a definition.
	idle time.Duration
	// made is set where there is no definition.
	made *cluster.Made
}

// Run looks at every workload once and returns what became of it, by namespace
// and name. Where one fails it goes on with the others; the error holds
// a fault.List.
func (c Collect) Run(ctx context.Context) ([]Collected, error) {
	pods := newCollector(c.Access, c.Log)
	var failures fleet.Failures
	candidates, err := c.candidates(ctx, pods, &failures)
	if err != nil {
		return nil, err
	}
	var group errgroup.Group
	group.SetLimit(fleet.MaxParallel)
	for _, one := range candidates {
		group.Go(fault.Guard(func() error {
			ctx, cancel := within(ctx, c.Timeout)
			defer cancel()
			if err := c.collect(ctx, pods, one); err != nil {
				one.Action, one.Reason = CollectFailed, sanitize.RedactURLs(err.Error())
				failures.Add(err)
			}
			return nil
		}))
	}
	_ = group.Wait() // its functions return no error
	out := make([]Collected, len(candidates))
	for i, one := range candidates {
		out[i] = one.Collected
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return out, fault.With(fault.ClassCancelled, context.Cause(ctx))
	}
	return out, failures.Err()
}

// candidates are the workloads of the chosen builders, and all others that
// Slipway made in their namespaces. Without an owner nothing can be left over,
// and nobody looks for it.
func (c Collect) candidates(ctx context.Context, pods collector, failures *fleet.Failures) ([]*candidate, error) {
	known, err := c.known(pods)
	if err != nil {
		return nil, err
	}
	var all []*candidate
	type area struct{ server, namespace string }
	areas := make(map[area]*cluster.Client)
	owners := slices.Clone(c.Owners)
	for _, d := range c.Chosen {
		for _, node := range d.Nodes {
			if node.Kubernetes == nil {
				continue
			}
			client, at, err := pods.place(node)
			if err != nil {
				return nil, err
			}
			areas[area{client.Identity().Server, at.namespace}] = client
			if owner := node.Kubernetes.Owner; owner != "" {
				owners = append(owners, owner)
			}
			if slices.ContainsFunc(all, func(o *candidate) bool {
				return o.client.Identity().Server == client.Identity().Server && o.Namespace == at.namespace && o.Name == at.name
			}) {
				continue // two definitions of one workload
			}
			one := &candidate{client: client, node: node, idle: known[at]}
			one.Collected = Collected{DryRun: c.DryRun, Namespace: at.namespace, Kind: manifest.Kind(node), Name: at.name, Builder: d.Name, Node: node.Name}
			all = append(all, one)
		}
	}
	if len(owners) > 0 {
		for area, client := range areas {
			made, err := client.Made(ctx, area.namespace)
			if err != nil {
				failures.Add(err)
				continue
			}
			for _, m := range made {
				if _, named := known[place{m.Namespace, m.Name}]; named {
					continue
				}
				one := &candidate{client: client, node: m.Node(), made: &m}
				one.Collected = Collected{DryRun: c.DryRun, Namespace: m.Namespace, Kind: m.Kind, Name: m.Name, Owner: m.Owner}
				if verdict, ask := mayBeLeftOver(m, owners, c.OlderThan, time.Now()); !ask {
					one.Action, one.Reason = CollectLeft, verdict.reason
				}
				all = append(all, one)
			}
		}
	}
	slices.SortFunc(all, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	return all, nil
}

// known are the workloads that definitions name, with how long each may be
// idle: where several name it, the most patient counts. The cluster is not
// told apart, so that of two files for one cluster neither makes the other's
// workloads look left over.
func (c Collect) known(pods collector) (map[place]time.Duration, error) {
	known := make(map[place]time.Duration)
	for _, d := range c.Known {
		for _, node := range d.Nodes {
			if node.Kubernetes == nil {
				continue
			}
			_, at, err := pods.place(node)
			if err != nil {
				return nil, err
			}
			idle := node.Kubernetes.IdleTimeout
			if before, named := known[at]; named && (before == 0 || idle != 0 && before > idle) {
				idle = before
			}
			known[at] = idle
		}
	}
	return known, nil
}

// collector asks pods how they are used.
type collector struct {
	clients   *fleet.Clients
	connector *fleet.Connector
}

func newCollector(access cluster.Access, log zerolog.Logger) collector {
	clients := &fleet.Clients{Access: access, Log: log}
	return collector{clients, clients.Connector()}
}

// place is where the workload of a node is.
func (c collector) place(node configmap.Node) (*cluster.Client, place, error) {
	client, err := c.clients.Of(node)
	if err != nil {
		return nil, place{}, fault.With(fleet.ClassOf(err), err)
	}
	return client, place{client.Namespace(node), manifest.WorkloadName(node)}, nil
}

// collect decides and acts on one workload.
func (c Collect) collect(ctx context.Context, pods collector, one *candidate) error {
	if one.Action != "" { // it was decided without a look at it
		return nil
	}
	if one.made != nil {
		return c.collectLeftOver(ctx, pods, one)
	}
	return c.collectIdle(ctx, pods, one)
}

func (c Collect) collectIdle(ctx context.Context, pods collector, one *candidate) error {
	is, err := one.client.Status(ctx, one.node)
	if err != nil {
		return fmt.Errorf("node %s: %w", one.Node, err)
	}
	one.Action, one.Owner = CollectLeft, is.Owner
	verdict, ask := mayIdle(is, one.idle)
	if ask {
		uses, err := pods.podUses(ctx, one.client, one.node, is)
		if err != nil {
			return fmt.Errorf("node %s: %w", one.Node, err)
		}
		verdict = judgeIdle(uses, one.idle, time.Now())
	}
	one.Reason = verdict.reason
	if !verdict.act {
		return nil
	}
	if !c.DryRun {
		err := one.client.Sleep(ctx, is)
		if errors.Is(err, cluster.ErrChanged) {
			one.Reason += ", but " + sanitize.RedactURLs(err.Error())
			return nil
		}
		if err != nil {
			return fmt.Errorf("node %s: %w", one.Node, err)
		}
	}
	one.Action = CollectScaled
	return nil
}

func (c Collect) collectLeftOver(ctx context.Context, pods collector, one *candidate) error {
	is, err := one.client.Status(ctx, one.node)
	if err != nil {
		return err
	}
	uses, err := pods.podUses(ctx, one.client, one.node, is)
	if err != nil {
		return fmt.Errorf("%s: %w", one.made, err)
	}
	one.Action = CollectLeft
	verdict := judgeLeftOver(uses, c.OlderThan, time.Now())
	one.Reason = verdict.reason
	if !verdict.act {
		return nil
	}
	removal, err := one.client.PlanCollection(ctx, *one.made, c.Claims)
	if err != nil {
		return err
	}
	one.Action, one.Kept = CollectRemoved, removal.Kept
	if c.DryRun {
		one.Objects = removal.Objects()
		return nil
	}
	return removal.Remove(ctx, func(object string) { one.Objects = append(one.Objects, object) })
}

// podUses asks the pods of a node, several at once, how they are used. Pods
// that are about to end are not asked: they finish what they have, whatever
// becomes of the workload. A pod that does not answer is a fact; a right that
// is missing is an error.
func (c collector) podUses(ctx context.Context, client *cluster.Client, node configmap.Node, is cluster.Status) ([]podUse, error) {
	stay := slices.DeleteFunc(slices.Clone(is.Pods), func(p cluster.PodStatus) bool { return p.Terminating })
	uses := make([]podUse, len(stay))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(fleet.MaxParallel)
	for i, p := range stay {
		use := &uses[i]
		*use = podUse{name: p.Name, running: p.Running, used: p.ReadySince}
		usable := slices.IndexFunc(is.Usable, func(u kube.Pod) bool { return u.Name == p.Name })
		if usable < 0 {
			use.silent = "it is not ready"
			continue
		}
		group.Go(fault.Guard(func() error {
			a, err := c.activity(ctx, client, node, is.Usable[usable])
			if known := (*kube.Error)(nil); errors.As(err, &known) && known.Reason == kube.ReasonForbidden {
				return err
			}
			if err != nil {
				use.silent = sanitize.RedactURLs(err.Error())
			}
			use.active = a.Active
			if a.Ended.After(use.used) {
				use.used = a.Ended
			}
			return nil
		}))
	}
	err := group.Wait()
	return uses, err
}

// activity asks a pod what it does, over a connection that is closed again: a
// pod that is asked to stop waits for those that are open.
func (c collector) activity(ctx context.Context, client *cluster.Client, node configmap.Node, pod kube.Pod) (buildkit.Activity, error) {
	daemon, err := c.connector.Ask(ctx, client, node, pod)
	if err != nil {
		return buildkit.Activity{}, err
	}
	a, err := daemon.Activity(ctx)
	_ = daemon.Close() // what was asked for has been answered
	return a, err
}
