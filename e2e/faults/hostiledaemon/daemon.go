package hostiledaemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	content "github.com/containerd/containerd/api/services/content/v1"
	control "github.com/moby/buildkit/api/services/control"
	apitypes "github.com/moby/buildkit/api/types"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/grpchijack"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc"
)

// Behaviour is what a daemon does. What is nil is done as an honest daemon does
// it that has nothing to build.
type Behaviour struct {
	// Workers answers the request by which a client knows the daemon.
	Workers func(context.Context) (*control.ListWorkersResponse, error)
	// Solve builds. It returns the exporters' answer.
	Solve func(context.Context, *Build) (map[string]string, error)
	// Status reports the progress of a build.
	Status func(context.Context, Progress) error
	// History tells of builds of the past.
	History func(*control.BuildHistoryRequest, grpc.ServerStreamingServer[control.BuildHistoryEvent]) error
	// Session takes the place of the session: the agent's part is not reached.
	Session func(control.Control_SessionServer) error
	// Content serves the daemon's blobs.
	Content content.ContentServer
	// Options are those of the gRPC server.
	Options []grpc.ServerOption
}

// Progress sends a part of a build's progress.
type Progress func(*control.StatusResponse) error

// Build is one request to build.
type Build struct {
	Request *control.SolveRequest
	// Agent is the session: what the daemon may ask the client for.
	Agent *grpc.ClientConn
	// Reset ends the session's connection in the middle of what it does.
	Reset func()
}

// Daemon is a daemon that runs.
type Daemon struct {
	control.UnimplementedControlServer
	does     Behaviour
	listener net.Listener
	server   *grpc.Server
	served   chan error
	sessions *session.Manager

	frozen   chan struct{} // closed by Freeze
	closing  chan struct{} // closed by Close
	freezing sync.Once

	mu     sync.Mutex
	ended  map[string]chan struct{} // closed when the solve of a reference has ended
	resets map[string]func()        // by session
}

// Start starts a daemon on a port of loopback. It must be closed.
func Start(does Behaviour) (*Daemon, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	sessions, err := session.NewManager()
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	d := &Daemon{
		does: does, listener: listener, server: grpc.NewServer(does.Options...), served: make(chan error, 1),
		sessions: sessions, frozen: make(chan struct{}), closing: make(chan struct{}),
		ended: map[string]chan struct{}{}, resets: map[string]func(){},
	}
	control.RegisterControlServer(d.server, d)
	if does.Content != nil {
		content.RegisterContentServer(d.server, does.Content)
	}
	go func() { d.served <- d.server.Serve(freezable{listener, d.frozen, d.closing}) }()
	return d, nil
}

// Address is where the daemon listens, host and port.
func (d *Daemon) Address() string { return d.listener.Addr().String() }

// Freeze has the daemon send nothing any more, on connections that stay open and
// on new ones: not even what its session sends by itself.
func (d *Daemon) Freeze() { d.freezing.Do(func() { close(d.frozen) }) }

// Close ends the daemon and all its connections.
func (d *Daemon) Close() error {
	close(d.closing)
	d.server.Stop()
	return <-d.served
}

// ListWorkers implements control.ControlServer.
func (d *Daemon) ListWorkers(ctx context.Context, _ *control.ListWorkersRequest) (*control.ListWorkersResponse, error) {
	if d.does.Workers != nil {
		return d.does.Workers(ctx)
	}
	return &control.ListWorkersResponse{Record: []*apitypes.WorkerRecord{{
		Platforms:       []*pb.Platform{{OS: "linux", Architecture: "amd64"}},
		BuildkitVersion: &apitypes.BuildkitVersion{Version: "v0.33.1"},
	}}}, nil
}

// Solve implements control.ControlServer.
func (d *Daemon) Solve(ctx context.Context, req *control.SolveRequest) (*control.SolveResponse, error) {
	defer close(d.end(req.Ref))
	if d.does.Solve == nil {
		return &control.SolveResponse{}, nil
	}
	build := &Build{Request: req}
	if d.does.Session == nil {
		caller, err := d.sessions.Get(ctx, req.Session, false)
		if err != nil {
			return nil, err
		}
		d.mu.Lock()
		build.Agent, build.Reset = caller.Conn(), d.resets[req.Session]
		d.mu.Unlock()
	}
	answer, err := d.does.Solve(ctx, build)
	if err != nil {
		return nil, err
	}
	return &control.SolveResponse{ExporterResponse: answer}, nil
}

// end is closed when the solve of a reference has ended.
func (d *Daemon) end(ref string) chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended[ref] == nil {
		d.ended[ref] = make(chan struct{})
	}
	return d.ended[ref]
}

// Status implements control.ControlServer.
func (d *Daemon) Status(req *control.StatusRequest, stream grpc.ServerStreamingServer[control.StatusResponse]) error {
	if d.does.Status != nil {
		return d.does.Status(stream.Context(), stream.Send)
	}
	select {
	case <-d.end(req.Ref):
		return nil
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
}

// Session implements control.ControlServer.
func (d *Daemon) Session(stream control.Control_SessionServer) error {
	if d.does.Session != nil {
		return d.does.Session(stream)
	}
	conn, closed, opts := grpchijack.Hijack(stream)
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	d.mu.Lock()
	for _, id := range opts["x-docker-expose-session-uuid"] {
		d.resets[id] = cancel
	}
	d.mu.Unlock()
	go func() {
		<-closed
		cancel()
	}()
	return d.sessions.HandleConn(ctx, conn, opts)
}

// ListenBuildHistory implements control.ControlServer.
func (d *Daemon) ListenBuildHistory(req *control.BuildHistoryRequest, stream grpc.ServerStreamingServer[control.BuildHistoryEvent]) error {
	if d.does.History == nil {
		return nil
	}
	return d.does.History(req, stream)
}

// Silence blocks until the client gives up.
func Silence(ctx context.Context) error {
	<-ctx.Done()
	return fmt.Errorf("the client has gone: %w", context.Cause(ctx))
}
