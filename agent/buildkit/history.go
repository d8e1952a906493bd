package buildkit

import (
	"context"
	"errors"
	"io"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// ErrNoHistory is a daemon that keeps no history and so cannot tell what runs
// on it.
var ErrNoHistory = errors.New("its buildkitd keeps no history of builds")

// history calls each for every event that the daemon has for the request, until
// the daemon ends the stream. what names the events in errors. The error is
// ErrNoHistory where there is none.
func (d *Daemon) history(ctx context.Context, what string, request *control.BuildHistoryRequest, each func(*control.BuildHistoryEvent) error) error {
	return d.historySince(ctx, what, request, func(metadata.MD) {}, each)
}

// historySince is history that first calls began with the headers of the daemon's
// answer.
func (d *Daemon) historySince(ctx context.Context, what string, request *control.BuildHistoryRequest, began func(metadata.MD), each func(*control.BuildHistoryEvent) error) error {
	err := d.eachEventSince(ctx, request, began, each)
	if grpcerrors.Code(err) == codes.Unimplemented {
		return ErrNoHistory
	}
	if err != nil {
		return explainRequest(ctx, "ask buildkitd for its "+what, err)
	}
	return nil
}

// eachEvent is history with the errors as they come, of the daemon and of each.
func (d *Daemon) eachEvent(ctx context.Context, request *control.BuildHistoryRequest, each func(*control.BuildHistoryEvent) error) error {
	return d.eachEventSince(ctx, request, func(metadata.MD) {}, each)
}

// eachEventSince is eachEvent that first calls began with the headers of the
// daemon's answer.
func (d *Daemon) eachEventSince(ctx context.Context, request *control.BuildHistoryRequest, began func(metadata.MD), each func(*control.BuildHistoryEvent) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the stream
	events, err := d.client.ControlClient().ListenBuildHistory(ctx, request)
	if err != nil {
		return err
	}
	header, err := events.Header()
	if err != nil {
		return err
	}
	began(header)
	for {
		event, err := events.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(event); err != nil {
			return err
		}
	}
}
