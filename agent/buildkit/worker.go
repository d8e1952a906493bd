package buildkit

import (
	"context"
	"errors"
	"time"
)

// Worker is what a daemon says of the worker that it builds on.
type Worker struct {
	Labels map[string]string
	// GC are the rules by which it removes cache, in their order.
	GC []GCRule
}

// GCRule is one of buildkitd's rules for removing cache by itself.
type GCRule struct {
	All     bool
	Filters []string
	// KeepDuration is how long unused records stay; 0 for no bound.
	KeepDuration time.Duration
	// These are in bytes; 0 for no bound.
	ReservedSpace, MaxUsedSpace, MinFreeSpace int64
}

// Worker asks the daemon for its worker.
func (d *Daemon) Worker(ctx context.Context) (Worker, error) {
	workers, err := d.client.ListWorkers(ctx)
	if err != nil {
		return Worker{}, explainRequest(ctx, "ask buildkitd for its workers", err)
	}
	if len(workers) == 0 {
		return Worker{}, errors.New("buildkitd has no worker")
	}
	// The Dockerfile frontend builds on the first worker.
	w := Worker{Labels: workers[0].Labels}
	for _, p := range workers[0].GCPolicy {
		w.GC = append(w.GC, GCRule{
			All:           p.All,
			Filters:       p.Filter,
			KeepDuration:  p.KeepDuration,
			ReservedSpace: p.ReservedSpace,
			MaxUsedSpace:  p.MaxUsedSpace,
			MinFreeSpace:  p.MinFreeSpace,
		})
	}
	return w, nil
}
