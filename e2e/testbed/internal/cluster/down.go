package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

// Down ends everything that the testbed started and takes back everything that
// it changed, however far a start had come. It needs no running cluster.
func (c Cluster) Down(ctx context.Context) error {
	if !exists(c.State) {
		return nil
	}
	// The kubelets first, each for itself: they would start pods again.
	for _, d := range c.daemons()[:len(nodes)] {
		if err := d.End(ctx, 2*time.Second); err != nil {
			return err
		}
	}
	// What is in the pods does not matter any more, so nothing is asked to
	// stop nicely that keeps nothing: containers, shims and the other daemons.
	group, groupCtx := errgroup.WithContext(ctx)
	for _, d := range c.daemons()[len(nodes):] {
		group.Go(func() error { return d.End(groupCtx, 0) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := cgroupsDown(ctx, c.cgroup()); err != nil {
		return err
	}
	if err := unmountBelow(c.State); err != nil {
		return err
	}
	if err := networkDown(ctx); err != nil {
		return err
	}
	if err := hostDown(c.journal()); err != nil {
		return err
	}
	return c.removeState(ctx)
}

// removeState removes the state folder, the notes on the machine last: while
// they are there, the next Down knows that it is not done.
func (c Cluster) removeState(ctx context.Context) error {
	entries, err := os.ReadDir(c.State)
	if err != nil {
		return fmt.Errorf("list the testbed's state: %w", err)
	}
	for _, entry := range entries {
		path := c.path(entry.Name())
		if path == c.journal() {
			continue
		}
		// A mount that is still there would be emptied with the folder.
		if err := poll(ctx, "the removal of "+path, time.Minute, func(context.Context) (bool, string, error) {
			if err := unmountBelow(path); err != nil {
				return false, "", err
			}
			err := os.RemoveAll(path)
			return err == nil, fmt.Sprint(err), nil
		}); err != nil {
			return err
		}
	}
	for _, path := range []string{c.journal(), c.State} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the testbed's state: %w", err)
		}
	}
	return nil
}
