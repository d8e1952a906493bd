package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-build/slipway/e2e/testbed/internal/proc"
)

// named returns the daemons with the names, in the order in which they stop.
func (c Cluster) named(names []string) ([]proc.Daemon, error) {
	var found []proc.Daemon
	var known []string
	for _, d := range c.daemons() {
		known = append(known, d.Name)
		if slices.Contains(names, d.Name) {
			found = append(found, d)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no daemon %s\nhint: there are %s", name, strings.Join(known, ", "))
		}
	}
	return found, nil
}

// Kill kills daemons, without a chance to stop as they would.
func (c Cluster) Kill(ctx context.Context, names []string) error {
	daemons, err := c.named(names)
	if err != nil {
		return err
	}
	for _, d := range daemons {
		if err := d.End(ctx, 0); err != nil {
			return err
		}
	}
	return nil
}

// Restart kills those of the daemons that run, starts all of them as Up does,
// and waits until the cluster is healthy again.
func (c Cluster) Restart(ctx context.Context, names []string) error {
	if err := c.Kill(ctx, names); err != nil {
		return err
	}
	daemons, err := c.named(names)
	if err != nil {
		return err
	}
	slices.Reverse(daemons)
	for _, d := range daemons {
		start := d.Launch
		for _, n := range nodes {
			if d.Name == c.containerd(n).Name { // without it, its kubelet ends at once
				start = func(ctx context.Context) error { return c.startContainerd(ctx, n) }
			}
		}
		if err := start(ctx); err != nil {
			return err
		}
	}
	return poll(ctx, "a healthy cluster", startLimit, func(ctx context.Context) (bool, string, error) {
		limited, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		err := c.Healthy(limited)
		return err == nil, fmt.Sprint(err), nil
	})
}
