package buildkit

import (
	"testing"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-build/slipway/agent/buildkit/buildkittest"
)

// rememberingDaemon has a history.
type rememberingDaemon struct {
	buildkittest.Server
	records []*control.BuildHistoryRecord
	limit   int32 // that was asked for
}

func (b *rememberingDaemon) ListenBuildHistory(r *control.BuildHistoryRequest, s grpc.ServerStreamingServer[control.BuildHistoryEvent]) error {
	b.limit = r.Limit
	for _, record := range b.records {
		if err := s.Send(&control.BuildHistoryEvent{Record: record}); err != nil {
			return err
		}
	}
	return nil
}

func TestLastBuild(t *testing.T) {
	at := func(minute int) *timestamppb.Timestamp {
		return timestamppb.New(time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC))
	}
	for _, tt := range []struct {
		name    string
		records []*control.BuildHistoryRecord
		minute  int // -1 for never
	}{
		{"none", nil, -1},
		{"one that ended", []*control.BuildHistoryRecord{{CreatedAt: at(1), CompletedAt: at(3)}}, 3},
		{"one that runs", []*control.BuildHistoryRecord{{CreatedAt: at(4)}}, 4},
		{"all of an old daemon", []*control.BuildHistoryRecord{{CreatedAt: at(1), CompletedAt: at(9)}, {CreatedAt: at(4)}, nil}, 9},
	} {
		b := &rememberingDaemon{records: tt.records}
		b.Workers = 1
		dial, _ := buildkittest.Serve(t, b)
		d, err := Connect(t.Context(), dial)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.LastBuild(t.Context())
		if err != nil || tt.minute < 0 && !got.IsZero() || tt.minute >= 0 && !got.Equal(at(tt.minute).AsTime()) || b.limit != 1 {
			t.Errorf("%s: %s, error %v, limit %d", tt.name, got, err, b.limit)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	dial, _ := buildkittest.Serve(t, &buildkittest.Server{Workers: 1})
	d, err := Connect(t.Context(), dial)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if got, err := d.LastBuild(t.Context()); err != nil || !got.IsZero() {
		t.Errorf("a daemon without a history: %s, %v", got, err)
	}
}
