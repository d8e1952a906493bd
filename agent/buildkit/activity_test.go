package buildkit

import (
	"errors"
	"testing"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-build/slipway/agent/buildkit/buildkittest"
)

// historicDaemon has builds that run, and builds that ended.
type historicDaemon struct {
	buildkittest.Server
	active int
	ended  []time.Time
}

func (h *historicDaemon) ListenBuildHistory(r *control.BuildHistoryRequest, s grpc.ServerStreamingServer[control.BuildHistoryEvent]) error {
	for range h.active {
		record := &control.BuildHistoryRecord{CreatedAt: timestamppb.Now()}
		if err := s.Send(&control.BuildHistoryEvent{Type: control.BuildHistoryEventType_STARTED, Record: record}); err != nil {
			return err
		}
	}
	for _, at := range h.ended {
		record := &control.BuildHistoryRecord{CompletedAt: timestamppb.New(at)}
		if err := s.Send(&control.BuildHistoryEvent{Type: control.BuildHistoryEventType_COMPLETE, Record: record}); err != nil {
			return err
		}
	}
	if !r.EarlyExit {
		<-s.Context().Done()
	}
	return nil
}

func TestActivity(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		active int
		ended  []time.Time
		want   Activity
	}{
		{"nothing ever", 0, nil, Activity{}},
		{"in any order", 0, []time.Time{noon.Add(-time.Hour), noon, noon.Add(-time.Minute)}, Activity{Ended: noon}},
		{"busy", 2, []time.Time{noon}, Activity{Active: 2, Ended: noon}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &historicDaemon{active: tt.active, ended: tt.ended}
			h.Workers = 1
			dial, _ := buildkittest.Serve(t, h)
			d, err := Connect(t.Context(), dial)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = d.Close() }()
			if got, err := d.Activity(t.Context()); err != nil || got != tt.want {
				t.Errorf("%+v, %v; want %+v", got, err, tt.want)
			}
			if err := d.conn.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Activity(t.Context()); !IsLost(err) {
				t.Errorf("over a broken connection: %v", err)
			}
		})
	}
	dial, _ := buildkittest.Serve(t, &buildkittest.Server{Workers: 1})
	d, err := Connect(t.Context(), dial)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if _, err := d.Activity(t.Context()); !errors.Is(err, ErrNoHistory) {
		t.Errorf("a daemon without a history: %v", err)
	}
}
