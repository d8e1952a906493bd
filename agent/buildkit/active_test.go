package buildkit

import (
	"testing"

	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc"

	"github.com/slipway-build/slipway/agent/buildkit/buildkittest"
)

// busyDaemon has builds, and old ones in its history.
type busyDaemon struct {
	buildkittest.Server
	active int
}

func (b *busyDaemon) ListenBuildHistory(r *control.BuildHistoryRequest, s grpc.ServerStreamingServer[control.BuildHistoryEvent]) error {
	for range b.active {
		if err := s.Send(&control.BuildHistoryEvent{Type: control.BuildHistoryEventType_STARTED}); err != nil {
			return err
		}
	}
	if !r.ActiveOnly {
		if err := s.Send(&control.BuildHistoryEvent{Type: control.BuildHistoryEventType_COMPLETE}); err != nil {
			return err
		}
	}
	if !r.EarlyExit {
		<-s.Context().Done()
	}
	return nil
}

func TestActive(t *testing.T) {
	for _, n := range []int{0, 1, 7} {
		b := &busyDaemon{active: n}
		b.Workers = 1
		dial, _ := buildkittest.Serve(t, b)
		d, err := Connect(t.Context(), dial)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Close() }()
		if got, err := d.Active(t.Context()); err != nil || got != n {
			t.Errorf("%d active, %v; want %d", got, err, n)
		}
		if err := d.conn.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Active(t.Context()); !IsLost(err) {
			t.Errorf("over a broken connection: %v", err)
		}
	}
	dial, _ := buildkittest.Serve(t, &buildkittest.Server{Workers: 1})
	d, err := Connect(t.Context(), dial)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if got, err := d.Active(t.Context()); err != nil || got != 0 {
		t.Errorf("a daemon without a history: %d, %v", got, err)
	}
}
