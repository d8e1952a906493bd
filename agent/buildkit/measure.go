package buildkit

import (
	"context"
	"errors"
	"fmt"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
)

// Speed is that of a connection to a daemon.
type Speed struct {
	// Latency is the shortest of a few round trips.
	Latency time.Duration
	// Rate is how fast the daemon takes bytes in, in bytes per second.
	Rate float64
}

const (
	pings = 5
	// loadTime is how long bytes are sent for: a slow connection is measured by
	// few of them.
	loadTime = time.Second
)

// loadSizes are what is sent, in bytes. They grow, so that a slow connection has
// taken one in before the time is over. A daemon takes messages of up to 4 MiB
// whatever its age.
var loadSizes = []int{64 << 10, 512 << 10, 3 << 20, 3 << 20, 3 << 20}

// Measure sends the daemon a few small and a few large requests. They ask for
// its workers: that changes nothing, and every daemon knows it. An error comes
// with what was measured before it.
func (d *Daemon) Measure(ctx context.Context) (Speed, error) {
	var s Speed
	for range pings {
		took, err := d.ping(ctx, nil)
		if err != nil {
			return s, err
		}
		if s.Latency == 0 || took < s.Latency {
			s.Latency = took
		}
	}
	var took time.Duration
	sent := 0
	for _, size := range loadSizes {
		// Field 1000 of the request does not exist: a server reads it to its end
		// and passes it by. Zeros are as good as anything, for
		// no transport compresses.
		load := protowire.AppendBytes(protowire.AppendTag(nil, 1000, protowire.BytesType), make([]byte, size))
		one, err := d.ping(ctx, load)
		if err != nil && (sent == 0 || ctx.Err() == nil) {
			return s, err
		}
		if err != nil {
			break // out of time; what has arrived tells enough
		}
		took += max(one-s.Latency, time.Microsecond)
		sent += size
		s.Rate = float64(sent) / took.Seconds()
		if took > loadTime {
			break
		}
	}
	return s, nil
}

// TimedOut is true for an error that says no more than that a time was over,
// on the agent or on its way to a daemon.
func TimedOut(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || grpcerrors.Code(err) == codes.DeadlineExceeded
}

func (d *Daemon) ping(ctx context.Context, load []byte) (time.Duration, error) {
	request := &control.ListWorkersRequest{}
	request.ProtoReflect().SetUnknown(load)
	began := time.Now()
	_, err := d.client.ControlClient().ListWorkers(ctx, request)
	if err != nil {
		return 0, fmt.Errorf("measure the connection to buildkitd: %w", err)
	}
	return time.Since(began), nil
}
