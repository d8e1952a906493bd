package solve

import (
	"context"
	"sync/atomic"
	"testing"

	control "github.com/moby/buildkit/api/services/control"
)

// weighed is a buildkitd that counts what large requests weigh.
type weighed struct {
	buildkitd
	bytes, requests atomic.Int64
}

func (b *weighed) ListWorkers(ctx context.Context, r *control.ListWorkersRequest) (*control.ListWorkersResponse, error) {
	if n := len(r.ProtoReflect().GetUnknown()); n > 0 {
		b.bytes.Add(int64(n))
		b.requests.Add(1)
	}
	return b.buildkitd.ListWorkers(ctx, r)
}

func TestMeasureSendsWhatItDividesBy(t *testing.T) {
	server := &weighed{buildkitd: buildkitd{workers: 1}}
	dial, _ := serve(t, server)
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
	if n := server.requests.Load(); n != loads || server.bytes.Load() < n*loadSize {
		t.Errorf("%d bytes in %d requests", server.bytes.Load(), n)
	}
}
