package solve

import (
	"context"
	"errors"
	"fmt"
	"io"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
)

// Active counts the solves that run on the daemon now, whoever asked for them.
// It is one round trip. A daemon that keeps no history has none to tell of.
func (d *Daemon) Active(ctx context.Context) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the stream
	n, err := d.active(ctx)
	if grpcerrors.Code(err) == codes.Unimplemented {
		return 0, nil
	}
	if err != nil {
		return 0, explain(ctx, fmt.Errorf("ask buildkitd for its active builds: %w", err))
	}
	return n, nil
}

func (d *Daemon) active(ctx context.Context) (int, error) {
	events, err := d.client.ControlClient().ListenBuildHistory(ctx, &control.BuildHistoryRequest{ActiveOnly: true, EarlyExit: true})
	if err != nil {
		return 0, err
	}
	for n := 0; ; n++ {
		_, err := events.Recv()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
