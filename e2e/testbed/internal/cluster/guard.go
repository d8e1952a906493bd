package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
)

// alone refuses to start beside another Kubernetes: names, addresses and chains
// would be shared with it, and taking one down would take the other along.
func (c Cluster) alone(ctx context.Context) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		for _, group := range cgroupTree(filepath.Join(root, c.cgroup())) {
			pids, err := cgroupPIDs(group)
			if err != nil {
				return err
			}
			if len(pids) > 0 {
				return fmt.Errorf("another testbed runs on this machine: process %d is in the cgroup %s\nhint: take it down first, with the TESTBED_STATE that it was started with", pids[0], group)
			}
		}
	}
	for _, tool := range []string{"iptables", "ip6tables"} {
		saved, err := run.Output(ctx, tool+"-save")
		if err != nil {
			return fmt.Errorf("list the rules of %s: %w", tool, err)
		}
		if chainRemoval(saved) != "" {
			return errors.New("this machine's " + tool + " has chains of another Kubernetes (KUBE-… or CNI-…)\nhint: use a machine that is not a cluster node, or set TESTBED_KUBECONFIG to use that cluster")
		}
	}
	return nil
}
