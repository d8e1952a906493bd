package solve

import (
	"context"
	"fmt"
	"time"

	control "github.com/moby/buildkit/api/services/control"
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
	// A daemon takes messages of up to 4 MiB whatever its age.
	loadSize = 3 << 20
	loads    = 4
)

// Measure sends the daemon a few small and a few large requests. They ask for
// its workers: that changes nothing, and every daemon knows it.
func (d *Daemon) Measure(ctx context.Context) (Speed, error) {
	var s Speed
	for range pings {
		took, err := d.ping(ctx, nil)
		if err != nil {
			return Speed{}, err
		}
		if s.Latency == 0 || took < s.Latency {
			s.Latency = took
		}
	}
	// Field 1000 of the request does not exist: a server reads it to its end
	// and passes it by. Zeros are as good as anything, for
	// no transport compresses.
	load := protowire.AppendBytes(protowire.AppendTag(nil, 1000, protowire.BytesType), make([]byte, loadSize))
	var took time.Duration
	for range loads {
		one, err := d.ping(ctx, load)
		if err != nil {
			return Speed{}, err
		}
		took += max(one-s.Latency, time.Microsecond)
	}
	s.Rate = float64(loads*len(load)) / took.Seconds()
	return s, nil
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
