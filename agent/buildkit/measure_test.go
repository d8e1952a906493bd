package buildkit

import (
	"context"
	"sync/atomic"
	"testing"

	control "github.com/moby/buildkit/api/services/control"

	"github.com/slipway-build/slipway/agent/buildkit/buildkittest"
)

// weighed is a buildkitd that counts what large requests weigh.
type weighed struct {
	buildkittest.Server
	bytes, requests atomic.Int64
	// stuck, if set, is called in place of an answer to the large requests after
	// the first few.
	stuck func()
	after int64
}

func (b *weighed) ListWorkers(ctx context.Context, r *control.ListWorkersRequest) (*control.ListWorkersResponse, error) {
	if n := len(r.ProtoReflect().GetUnknown()); n > 0 {
		b.bytes.Add(int64(n))
		if b.requests.Add(1); b.stuck != nil && b.requests.Load() > b.after {
			b.stuck()
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
	}
	return b.Server.ListWorkers(ctx, r)
}

func TestMeasureSendsWhatItDividesBy(t *testing.T) {
	server := &weighed{Server: buildkittest.Server{Workers: 1}}
	dial, _ := buildkittest.Serve(t, server)
	d, err := Connect(t.Context(), dial)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	speed, err := d.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if speed.Latency <= 0 || speed.Rate <= 0 {
		t.Errorf("%+v", speed)
	}
	if n := server.requests.Load(); n == 0 || server.bytes.Load() < int64(loadSizes[0]) {
		t.Errorf("%d bytes in %d requests", server.bytes.Load(), n)
	}
}

// TestMeasureOfASlowConnection ends while a large request is under way.
func TestMeasureOfASlowConnection(t *testing.T) {
	for answered, known := range map[int64]bool{0: false, 1: true} {
		ctx, cancel := context.WithCancel(t.Context())
		server := &weighed{Server: buildkittest.Server{Workers: 1}, after: answered, stuck: cancel}
		dial, _ := buildkittest.Serve(t, server)
		d, err := Connect(t.Context(), dial)
		if err != nil {
			t.Fatal(err)
		}
		speed, err := d.Measure(ctx)
		if known != (err == nil) || known != (speed.Rate > 0) {
			t.Errorf("after %d answers: %+v, %v", answered, speed, err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
