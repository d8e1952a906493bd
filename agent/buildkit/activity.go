package buildkit

import (
	"context"
	"time"

	control "github.com/moby/buildkit/api/services/control"
)

// Activity is what a daemon does and has done.
type Activity struct {
	// Active counts the solves that run now, whoever asked for them.
	Active int
	// Ended is when the last solve that the history holds ended, by the
	// daemon's clock; zero when there is none.
	Ended time.Time
}

// Activity reads the daemon's history, which by default holds the builds of
// two days and at least the last fifty. The error is ErrNoHistory where there
// is none. Active takes such a daemon for idle, which would be wrong where it is
// to be stopped.
func (d *Daemon) Activity(ctx context.Context) (Activity, error) {
	var a Activity
	err := d.history(ctx, "builds", &control.BuildHistoryRequest{EarlyExit: true}, func(event *control.BuildHistoryEvent) error {
		if event.Type == control.BuildHistoryEventType_STARTED {
			a.Active++
			return nil
		}
		if at := event.GetRecord().GetCompletedAt(); at != nil && at.AsTime().After(a.Ended) {
			a.Ended = at.AsTime()
		}
		return nil
	})
	if err != nil {
		return Activity{}, err
	}
	return a, nil
}
