package fleettest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/plugins/services/content/contentserver"
	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// Now is the time of a daemon that has Records.
var Now = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// sendRecords sends those of the records that were asked for, as a daemon does that
// knows neither filters nor limits.
func (d *Daemon) sendRecords(request *control.BuildHistoryRequest, stream grpc.ServerStreamingServer[control.BuildHistoryEvent]) error {
	d.mu.Lock()
	records := slices.Clone(d.Records)
	d.mu.Unlock()
	if len(records) == 0 {
		return nil
	}
	if err := stream.SetHeader(metadata.Pairs("buildkit-current-timestamp", Now.Format(time.RFC3339Nano))); err != nil {
		return err
	}
	for _, r := range records {
		event := &control.BuildHistoryEvent{Type: control.BuildHistoryEventType_STARTED, Record: r}
		if r.CompletedAt != nil {
			event.Type = control.BuildHistoryEventType_COMPLETE
		}
		if request.Ref != "" && request.Ref != r.Ref || request.ActiveOnly && r.CompletedAt != nil {
			continue
		}
		if err := stream.Send(event); err != nil {
			return err
		}
	}
	return nil
}

// UpdateBuildHistory implements control.ControlServer: it removes records.
func (d *Daemon) UpdateBuildHistory(_ context.Context, request *control.UpdateBuildHistoryRequest) (*control.UpdateBuildHistoryResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if request.Delete {
		d.Records = slices.DeleteFunc(d.Records, func(r *control.BuildHistoryRecord) bool { return r.Ref == request.Ref })
	}
	return &control.UpdateBuildHistoryResponse{}, nil
}

// Kept are the IDs of the records that are still there.
func (d *Daemon) Kept() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids []string
	for _, r := range d.Records {
		ids = append(ids, r.Ref)
	}
	return ids
}

// registerContent serves the daemon's content.
func (d *Daemon) registerContent(t testing.TB, server *grpc.Server) {
	service, ok := contentserver.New(d.Content).(interface{ Register(*grpc.Server) error })
	if !ok {
		t.Fatal("the content server has changed")
	}
	if err := service.Register(server); err != nil {
		t.Fatal(err)
	}
}
