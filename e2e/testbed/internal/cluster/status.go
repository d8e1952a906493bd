package cluster

import (
	"context"
	"errors"
	"fmt"
)

// DaemonStatus tells of one daemon.
type DaemonStatus struct {
	Name    string
	PID     int // 0 where it does not run
	LogPath string
}

// Daemons tells of every daemon, in the order in which they stop.
func (c Cluster) Daemons() []DaemonStatus {
	var all []DaemonStatus
	for _, d := range c.daemons() {
		status := DaemonStatus{Name: d.Name, LogPath: d.LogPath()}
		if id, ok := d.ID(); ok && id.Alive() {
			status.PID = id.PID
		}
		all = append(all, status)
	}
	return all
}

// Healthy is nil where the cluster takes work, else all reasons why it does not.
func (c Cluster) Healthy(ctx context.Context) error {
	var failed error
	for _, d := range c.Daemons() {
		if d.PID == 0 {
			failed = errors.Join(failed, fmt.Errorf("%s does not run", d.Name))
		}
	}
	if failed != nil {
		return failed
	}
	server, err := c.api()
	if err != nil {
		return err
	}
	defer server.client.CloseIdleConnections()
	if err := server.get(ctx, "/readyz", nil); err != nil {
		return err
	}
	for _, n := range nodes {
		if ok, reason := c.nodeReady(ctx, server, n); !ok {
			failed = errors.Join(failed, errors.New(reason))
		}
	}
	return errors.Join(failed, c.registriesHealthy(ctx))
}
