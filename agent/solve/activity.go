package solve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
)

// ErrNoHistory is a daemon that keeps no history and so cannot tell what runs
// on it.
var ErrNoHistory = errors.New("its buildkitd keeps no history of builds")

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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the stream
	a, err := d.activity(ctx)
	if grpcerrors.Code(err) == codes.Unimplemented {
		return Activity{}, ErrNoHistory
	}
	if err != nil {
		return Activity{}, explain(ctx, fmt.Errorf("ask buildkitd for its builds: %w", err))
	}
	return a, nil
}

func (d *Daemon) activity(ctx context.Context) (Activity, error) {
	events, err := d.client.ControlClient().ListenBuildHistory(ctx, &control.BuildHistoryRequest{EarlyExit: true})
	if err != nil {
		return Activity{}, err
	}
	var a Activity
	for {
		event, err := events.Recv()
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err != nil {
			return Activity{}, err
		}
		if event.Type == control.BuildHistoryEventType_STARTED {
			a.Active++
			continue
		}
		if at := event.GetRecord().GetCompletedAt(); at != nil && at.AsTime().After(a.Ended) {
			a.Ended = at.AsTime()
		}
	}
}
