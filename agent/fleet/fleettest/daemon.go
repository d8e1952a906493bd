// Package fleettest stands in for a cluster and its builders in tests of what is
// done over connections: a Cluster has pods, each with a Daemon that answers
// questions as a buildkitd does. Neither Kubernetes nor BuildKit runs; builds are
// tested against the real ones.
package fleettest

import (
	"context"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/platforms"
	control "github.com/moby/buildkit/api/services/control"
	apitypes "github.com/moby/buildkit/api/types"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-build/slipway/internal/fault"
)

// Daemon is a buildkitd that answers questions. Its solves end at once and build
// nothing.
type Daemon struct {
	control.UnimplementedControlServer

	// Version is BuildKit's, "v0.33.1" when it is empty.
	Version string
	// Platforms are reported, "linux/amd64" when it is empty.
	Platforms []string
	Labels    map[string]string
	// Active counts the builds that run; negative is a daemon that does not tell.
	Active int
	// Silent lets the questions for builds wait until they are given up.
	Silent bool
	// Ended is when the last build ended; zero for none.
	Ended time.Time
	// Broken answers the first question with an error.
	Broken bool
	// Cache has the sizes of the records of its cache, in bytes.
	Cache []int64
	// Reports are what it tells of each solve, in this order.
	Reports []*control.StatusResponse
	// Refusal, if set, is how each solve ends; with Healed until the daemon was asked
	// to prune.
	Refusal error
	Healed  bool
	// Answers are the exporters' answers to each solve.
	Answers map[string]string
	// Records are what it has built, beside Active and Ended; Content, if set, has
	// what they refer to.
	Records []*control.BuildHistoryRecord
	Content content.Store

	mu     sync.Mutex
	solves []map[string]string
	pruned bool

	serving sync.Once
	buffer  *bufconn.Listener
}

// ListWorkers implements control.ControlServer.
func (d *Daemon) ListWorkers(context.Context, *control.ListWorkersRequest) (*control.ListWorkersResponse, error) {
	if d.Broken {
		return nil, status.Error(codes.Internal, "buildkitd is broken")
	}
	record := &apitypes.WorkerRecord{
		Labels:          d.Labels,
		BuildkitVersion: &apitypes.BuildkitVersion{Version: d.Version},
		GCPolicy:        []*apitypes.GCPolicy{{All: true, ReservedSpace: 1 << 30}},
	}
	if d.Version == "" {
		record.BuildkitVersion.Version = "v0.33.1"
	}
	names := d.Platforms
	if len(names) == 0 {
		names = []string{"linux/amd64"}
	}
	for _, name := range names {
		p, err := platforms.Parse(name)
		if err != nil {
			return nil, err
		}
		record.Platforms = append(record.Platforms, &pb.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant})
	}
	return &control.ListWorkersResponse{Record: []*apitypes.WorkerRecord{record}}, nil
}

// ListenBuildHistory implements control.ControlServer.
func (d *Daemon) ListenBuildHistory(request *control.BuildHistoryRequest, stream grpc.ServerStreamingServer[control.BuildHistoryEvent]) error {
	if d.Silent {
		<-stream.Context().Done()
		return status.FromContextError(stream.Context().Err()).Err()
	}
	if d.Active < 0 {
		return status.Error(codes.Internal, "the history is broken")
	}
	for i := range d.Active {
		event := &control.BuildHistoryEvent{Type: control.BuildHistoryEventType_STARTED, Record: &control.BuildHistoryRecord{Ref: fmt.Sprint(i)}}
		if err := stream.Send(event); err != nil {
			return err
		}
	}
	if err := d.sendRecords(request, stream); err != nil {
		return err
	}
	if d.Ended.IsZero() || request.ActiveOnly {
		return nil
	}
	return stream.Send(&control.BuildHistoryEvent{
		Type:   control.BuildHistoryEventType_COMPLETE,
		Record: &control.BuildHistoryRecord{Ref: "done", CompletedAt: timestamppb.New(d.Ended)},
	})
}

// DiskUsage implements control.ControlServer.
func (d *Daemon) DiskUsage(context.Context, *control.DiskUsageRequest) (*control.DiskUsageResponse, error) {
	r := &control.DiskUsageResponse{}
	for i, size := range d.Cache {
		r.Record = append(r.Record, &control.UsageRecord{ID: fmt.Sprint(i), Size: size, RecordType: "regular"})
	}
	return r, nil
}

// Solve implements control.ControlServer.
func (d *Daemon) Solve(_ context.Context, request *control.SolveRequest) (*control.SolveResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.solves = append(d.solves, request.FrontendAttrs)
	if d.Refusal != nil && (!d.Healed || !d.pruned) {
		return nil, d.Refusal
	}
	return &control.SolveResponse{ExporterResponse: maps.Clone(d.Answers)}, nil
}

// Solves returns the attributes for the frontend of all solves, in their order.
func (d *Daemon) Solves() []map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.solves)
}

// Status implements control.ControlServer.
func (d *Daemon) Status(_ *control.StatusRequest, stream grpc.ServerStreamingServer[control.StatusResponse]) error {
	for _, report := range d.Reports {
		if err := stream.Send(report); err != nil {
			return err
		}
	}
	return nil
}

// Session implements control.ControlServer: it asks its client for nothing.
func (d *Daemon) Session(stream grpc.BidiStreamingServer[control.BytesMessage, control.BytesMessage]) error {
	for {
		if _, err := stream.Recv(); err != nil { // its client has ended it
			return nil
		}
	}
}

// Prune implements control.ControlServer.
func (d *Daemon) Prune(_ *control.PruneRequest, stream grpc.ServerStreamingServer[control.UsageRecord]) error {
	d.mu.Lock()
	d.pruned = true
	d.mu.Unlock()
	for i, size := range d.Cache {
		if err := stream.Send(&control.UsageRecord{ID: fmt.Sprint(i), Size: size}); err != nil {
			return err
		}
	}
	return nil
}

// Listen has the daemon answer on a socket of its own until the test ends, and
// returns its address for the driver remote.
func (d *Daemon) Listen(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "buildkitd.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, d, listener)
	return "unix://" + path
}

// dial connects to the daemon in memory.
func (d *Daemon) dial(ctx context.Context, t testing.TB) (net.Conn, error) {
	d.serving.Do(func() {
		d.buffer = bufconn.Listen(1 << 16)
		serve(t, d, d.buffer)
	})
	return d.buffer.DialContext(ctx)
}

func serve(t testing.TB, d *Daemon, listener net.Listener) {
	server := grpc.NewServer()
	control.RegisterControlServer(server, d)
	if d.Content != nil {
		d.registerContent(t, server)
	}
	var running sync.WaitGroup
	running.Go(fault.Protect(func() { _ = server.Serve(listener) })) // it ends with Stop
	t.Cleanup(func() {
		server.Stop()
		running.Wait()
	})
}
