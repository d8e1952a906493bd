package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// MaxParallel bounds how many nodes or pods are asked at once.
const MaxParallel = 16

// EveryPod calls do for each buildkitd of the nodes, several at once. Each pod
// has a cache of its own. pod is empty with the remote driver. A pod that
// cannot be reached does not keep the others from their turn; the error holds a
// fault.List. A node without a pod to ask is told to absent.
func (c *Connector) EveryPod(ctx context.Context, nodes []configmap.Node, absent func(configmap.Node), do func(ctx context.Context, node configmap.Node, pod string, d *buildkit.Daemon) error) error {
	var failures Failures
	var group errgroup.Group
	group.SetLimit(MaxParallel)
	for _, node := range nodes {
		if node.Remote != nil {
			group.Go(fault.Guard(func() error {
				asking, cancel := c.asking(ctx)
				defer cancel()
				conn, err := c.ConnectRemote(asking, node)
				if err == nil {
					err = use(ctx, node, "", conn.Daemon, do)
				}
				failures.Add(err)
				return nil
			}))
			continue
		}
		client, pods, err := c.usablePods(ctx, node)
		if err != nil {
			failures.Add(err)
			continue
		}
		if len(pods) == 0 {
			absent(node)
		}
		for _, pod := range pods {
			group.Go(fault.Guard(func() error {
				asking, cancel := c.asking(ctx)
				defer cancel()
				daemon, err := c.Ask(asking, client, node, pod)
				if err != nil {
					failures.Add(fmt.Errorf("node %s: connect to pod %s: %w", node.Name, pod.Name, err))
					return nil
				}
				failures.Add(use(ctx, node, pod.Name, daemon, do))
				return nil
			}))
		}
	}
	_ = group.Wait() // its functions return no error
	if errors.Is(ctx.Err(), context.Canceled) {
		return fault.With(fault.ClassCancelled, context.Cause(ctx))
	}
	return c.ExplainForbidden(ctx, nodes, cluster.UseLook, failures.Err())
}

// usablePods are the pods of a node that could take a build now.
func (c *Connector) usablePods(ctx context.Context, node configmap.Node) (Dialer, []kube.Pod, error) {
	client, err := c.Client(node)
	if err != nil {
		return nil, nil, err
	}
	asking, cancel := c.asking(ctx)
	defer cancel()
	known, err := client.Status(asking, node)
	if err != nil {
		return nil, nil, fmt.Errorf("node %s: %w", node.Name, err)
	}
	return client, known.Usable, nil
}

// asking bounds the wait for an answer. What is then done over a connection may
// take longer.
func (c *Connector) asking(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.AnswerWithin <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.AnswerWithin)
}

// use calls do and closes the connection.
func use(ctx context.Context, node configmap.Node, pod string, d *buildkit.Daemon, do func(context.Context, configmap.Node, string, *buildkit.Daemon) error) error {
	err := do(ctx, node, pod, d)
	if err != nil {
		where := "node " + node.Name
		if pod != "" {
			where += ": pod " + pod
		}
		err = fmt.Errorf("%s: %w", where, err)
	}
	_ = d.Close() // what was asked for has been answered
	return err
}

// Failures collects failures of pods that are asked at the same time.
type Failures struct {
	mu  sync.Mutex
	all fault.List
}

// Add notes a failure; nil is none.
func (f *Failures) Add(err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, err)
}

// Err is nil if nothing has failed, else a fault.List with its class, in the
// order of the messages: the pods answer in any.
func (f *Failures) Err() error {
	if len(f.all) == 0 {
		return nil
	}
	slices.SortFunc(f.all, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return fault.With(ClassOf(f.all), f.all)
}
