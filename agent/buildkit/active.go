package buildkit

import (
	"context"
	"errors"

	control "github.com/moby/buildkit/api/services/control"
)

// Active counts the solves that run on the daemon now, whoever asked for them.
// It is one round trip. A daemon that keeps no history has none to tell of.
func (d *Daemon) Active(ctx context.Context) (int, error) {
	n := 0
	err := d.history(ctx, "active builds", &control.BuildHistoryRequest{ActiveOnly: true, EarlyExit: true}, func(*control.BuildHistoryEvent) error {
		n++
		return nil
	})
	if errors.Is(err, ErrNoHistory) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}
