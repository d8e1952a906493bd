package buildkit

import (
	"context"
	"errors"

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"

	"github.com/slipway-build/slipway/internal/fault"
)

// Prune says what of a cache is to go.
type Prune struct {
	Filter CacheFilter
	// All includes what frontends and BuildKit itself keep.
	All bool
	// Reserved is how much always may stay, MaxUsed how much may stay at most,
	// MinFree how much of the disk should be free afterwards; all in bytes, 0
	// for no such bound.
	Reserved, MaxUsed, MinFree int64
}

// errNoSpaceBounds is for daemons that would pass over two of the bounds and
// remove more than was asked for.
var errNoSpaceBounds = errors.New("this buildkitd knows neither --max-used-space nor --min-free-space: they need BuildKit 0.17 or later")

// Prune removes cache of the daemon and calls removed for every record that is
// gone, in turn.
func (d *Daemon) Prune(ctx context.Context, p Prune, removed func(CacheRecord)) error {
	if p.MaxUsed != 0 || p.MinFree != 0 {
		if err := d.knowsSpaceBounds(ctx); err != nil {
			return err
		}
	}
	options := []client.PruneOption{
		client.WithFilter(p.Filter.list()),
		client.WithKeepOpt(p.Filter.Unused, p.Reserved, p.MaxUsed, p.MinFree),
	}
	if p.All {
		options = append(options, client.PruneAll)
	}
	gone := make(chan client.UsageInfo)
	told := make(chan struct{})
	go fault.Protect(func() {
		defer close(told)
		for u := range gone {
			removed(recordOf(&u))
		}
	})()
	err := d.client.Prune(ctx, gone, options...)
	close(gone)
	<-told
	if err != nil {
		return explainRequest(ctx, "remove cache of buildkitd", err)
	}
	return nil
}

// CollectGarbage has the daemon remove what nothing refers to, such as parts of images
// whose transfer was interrupted. It does so after each request to prune, of which this
// one finds no record.
func (d *Daemon) CollectGarbage(ctx context.Context) error {
	found := make(chan client.UsageInfo)
	told := make(chan struct{})
	go fault.Protect(func() {
		defer close(told)
		for range found { // a daemon that knows no filters is not BuildKit
		}
	})()
	err := d.client.Prune(ctx, found, client.WithFilter([]string{"id==none"}))
	close(found)
	<-told
	return err
}

// knowsSpaceBounds asks for what the daemon can do, which only a solve is told.
func (d *Daemon) knowsSpaceBounds(ctx context.Context) error {
	var can apicaps.CapSet
	_, err := d.client.Build(ctx, client.SolveOpt{Internal: true}, "slipway", func(_ context.Context, c gateway.Client) (*gateway.Result, error) {
		can = c.BuildOpts().LLBCaps
		return nil, nil
	}, nil)
	if err != nil {
		return explainRequest(ctx, "ask buildkitd what it can", err)
	}
	if can.Supports(pb.CapGCFreeSpaceFilter) != nil {
		return errNoSpaceBounds
	}
	return nil
}
