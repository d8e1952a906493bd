// Package buildkittest has a buildkitd for tests of what its clients do when it
// misbehaves. It solves nothing.
package buildkittest

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	control "github.com/moby/buildkit/api/services/control"
	apitypes "github.com/moby/buildkit/api/types"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc"

	"github.com/slipway-build/slipway/internal/fault"
)

// Server plays the daemon's side of the protocol, for what the client does
// when it misbehaves; real solves are tested against a real one elsewhere.
type Server struct {
	control.UnimplementedControlServer
	// Workers is how many workers it has.
	Workers int
	// Mute makes it answer nothing any more, even to a cancellation.
	Mute atomic.Bool
	// Started gets a value when a solve begins.
	Started chan struct{}
	// Refusal, if set, ends a solve at once; Refused is closed then.
	Refusal error
	Refused chan struct{}
}

// ListWorkers implements control.ControlServer.
func (b *Server) ListWorkers(ctx context.Context, _ *control.ListWorkersRequest) (*control.ListWorkersResponse, error) {
	if b.Mute.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	r := &control.ListWorkersResponse{}
	for range b.Workers {
		r.Record = append(r.Record, &apitypes.WorkerRecord{
			Platforms:       []*pb.Platform{{OS: "linux", Architecture: "arm64", Variant: "v8"}, {OS: "linux", Architecture: "amd64"}},
			BuildkitVersion: &apitypes.BuildkitVersion{Version: "v9.9.9"},
		})
	}
	return r, nil
}

// Solve implements control.ControlServer: it lasts until it is cancelled or ends with Refusal.
func (b *Server) Solve(ctx context.Context, _ *control.SolveRequest) (*control.SolveResponse, error) {
	b.Started <- struct{}{}
	if b.Refusal != nil {
		close(b.Refused)
		return nil, b.Refusal
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// Status implements control.ControlServer.
func (b *Server) Status(_ *control.StatusRequest, s grpc.ServerStreamingServer[control.StatusResponse]) error {
	return b.untilTheEnd(s.Context())
}

// Session implements control.ControlServer.
func (b *Server) Session(s grpc.BidiStreamingServer[control.BytesMessage, control.BytesMessage]) error {
	return b.untilTheEnd(s.Context())
}

func (b *Server) untilTheEnd(ctx context.Context) error {
	select {
	case <-b.Refused:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Daemon is a Server, or a type that embeds one and can more.
type Daemon interface {
	control.ControlServer
	begin()
}

func (b *Server) begin() { b.Started, b.Refused = make(chan struct{}, 1), make(chan struct{}) }

// Serve starts the daemon and returns a dial function and a count of dials.
func Serve(t *testing.T, b Daemon) (func(context.Context) (net.Conn, error), *atomic.Int32) {
	t.Helper()
	listener, err := net.Listen("unix", t.TempDir()+"/sock")
	if err != nil {
		t.Fatal(err)
	}
	b.begin()
	server := grpc.NewServer()
	control.RegisterControlServer(server, b)
	done := make(chan error, 1)
	go fault.Protect(func() { done <- server.Serve(listener) })()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	var dials atomic.Int32
	return func(ctx context.Context) (net.Conn, error) {
		dials.Add(1)
		var d net.Dialer
		return d.DialContext(ctx, "unix", listener.Addr().String())
	}, &dials
}
