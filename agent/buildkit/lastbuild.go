package buildkit

import (
	"context"
	"errors"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// LastBuild is when the daemon last had something to do with a build: when the
// latest in its history ended, or began if it still runs, by the daemon's clock. It
// is zero where the history holds none, or there is none.
func (d *Daemon) LastBuild(ctx context.Context) (time.Time, error) {
	var last time.Time
	// A daemon from before limits sends all of its history.
	err := d.history(ctx, "last build", &control.BuildHistoryRequest{EarlyExit: true, Limit: 1}, func(event *control.BuildHistoryEvent) error {
		for _, at := range []*timestamppb.Timestamp{event.GetRecord().GetCreatedAt(), event.GetRecord().GetCompletedAt()} {
			if at != nil && at.AsTime().After(last) {
				last = at.AsTime()
			}
		}
		return nil
	})
	if errors.Is(err, ErrNoHistory) {
		return time.Time{}, nil
	}
	return last, err
}
