package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/slipway-build/slipway/e2e/testbed/state"
)

func (t testbed) status(ctx context.Context) error {
	c, s, err := t.running()
	if err != nil {
		return err
	}
	for _, d := range c.Daemons() {
		running := "does not run"
		if d.PID != 0 {
			running = fmt.Sprintf("runs as %d", d.PID)
		}
		fmt.Printf("%-24s %-18s log %s\n", d.Name, running, d.LogPath)
	}
	for _, n := range s.Nodes {
		fmt.Printf("%-24s linux/%s, address %s, pods %s, containerd %s\n", n.Name, n.Arch, n.IP, n.PodCIDR, n.Containerd)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Versions)) {
		fmt.Printf("%-24s %s\n", name, s.Versions[name])
	}
	for _, reference := range []string{s.Images.Pause, s.Images.Busybox, s.Images.BuildKit, s.Images.NextBuildKit, s.Images.Rootless, s.Images.Agent, s.Images.Peer} {
		if reference != "" {
			fmt.Printf("%-24s %s\n", "image", reference)
		}
	}
	fmt.Printf("%-24s %s\n", "base image", s.Base.Layout)
	for _, r := range []state.Registry{s.Registry, s.TokenRegistry} {
		fmt.Printf("%-24s %s, or %s on a node; user %s, password in %s, CA %s\n", "registry", r.Address, r.Name, r.Username, r.PasswordFile, r.CA)
	}
	fmt.Printf("%-24s %s\n", "tools", s.BinDir)
	fmt.Printf("%-24s %s\n", "kubeconfig", s.Kubeconfig)
	if err := c.Healthy(ctx); err != nil {
		return fmt.Errorf("the cluster is not healthy: %w\nhint: go run ./testbed up", err)
	}
	return nil
}
