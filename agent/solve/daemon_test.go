package solve

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/platforms"
	control "github.com/moby/buildkit/api/services/control"
	apitypes "github.com/moby/buildkit/api/types"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc"
)

// buildkitd plays the daemon's side of the protocol, for what the client does
// when it misbehaves; real solves are tested against a real one elsewhere.
type buildkitd struct {
	control.UnimplementedControlServer
	workers int
	mute    atomic.Bool // answers nothing any more, even to a cancellation
	started chan struct{}
	refusal error         // ends a solve at once
	refused chan struct{} // closed then
}

func (b *buildkitd) ListWorkers(ctx context.Context, _ *control.ListWorkersRequest) (*control.ListWorkersResponse, error) {
	if b.mute.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	r := &control.ListWorkersResponse{}
	for range b.workers {
		r.Record = append(r.Record, &apitypes.WorkerRecord{
			Platforms:       []*pb.Platform{{OS: "linux", Architecture: "arm64", Variant: "v8"}, {OS: "linux", Architecture: "amd64"}},
			BuildkitVersion: &apitypes.BuildkitVersion{Version: "v9.9.9"},
		})
	}
	return r, nil
}

func (b *buildkitd) Solve(ctx context.Context, _ *control.SolveRequest) (*control.SolveResponse, error) {
	b.started <- struct{}{}
	if b.refusal != nil {
		close(b.refused)
		return nil, b.refusal
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (b *buildkitd) Status(_ *control.StatusRequest, s grpc.ServerStreamingServer[control.StatusResponse]) error {
	return b.untilTheEnd(s.Context())
}

func (b *buildkitd) Session(s grpc.BidiStreamingServer[control.BytesMessage, control.BytesMessage]) error {
	return b.untilTheEnd(s.Context())
}

func (b *buildkitd) untilTheEnd(ctx context.Context) error {
	select {
	case <-b.refused:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// daemonServer is a buildkitd, or one that can more.
type daemonServer interface {
	control.ControlServer
	begin()
}

func (b *buildkitd) begin() { b.started, b.refused = make(chan struct{}, 1), make(chan struct{}) }

// serve starts the daemon and returns a dial function and a count of dials.
func serve(t *testing.T, b daemonServer) (func(context.Context) (net.Conn, error), *atomic.Int32) {
	t.Helper()
	listener, err := net.Listen("unix", t.TempDir()+"/sock")
	if err != nil {
		t.Fatal(err)
	}
	b.begin()
	server := grpc.NewServer()
	control.RegisterControlServer(server, b)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
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

func TestConnect(t *testing.T) {
	dial, dials := serve(t, &buildkitd{workers: 1})
	d, err := Connect(t.Context(), dial)
	if err != nil {
		t.Fatal(err)
	}
	if d.Version() != "v9.9.9" {
		t.Errorf("Version = %q", d.Version())
	}
	var names []string
	for _, p := range d.Platforms() {
		names = append(names, platforms.Format(p))
	}
	if got := strings.Join(names, " "); got != "linux/arm64 linux/amd64" {
		t.Errorf("Platforms = %s", got)
	}

	// A connection that broke is not replaced: a new one may reach another pod.
	if err := d.conn.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := d.client.ListWorkers(ctx)
		cancel()
		if Classify(err) != KindLost {
			t.Errorf("over a broken connection: %v is %s, want lost", err, Classify(err))
		}
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("dialled %d times", n)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestOnceDialer(t *testing.T) {
	here, there := net.Pipe()
	defer func() { _ = there.Close() }()
	dial := onceDialer(here)
	if conn, err := dial(t.Context(), ""); conn != here || err != nil {
		t.Errorf("first dial: %v, %v", conn, err)
	}
	if conn, err := dial(t.Context(), ""); conn != nil || !errors.Is(err, errOneConnection) {
		t.Errorf("second dial: %v, %v; want %v", conn, err, errOneConnection)
	}
}

func TestConnectFailures(t *testing.T) {
	t.Run("dial", func(t *testing.T) {
		want := errors.New("no pod")
		if _, err := Connect(t.Context(), func(context.Context) (net.Conn, error) { return nil, want }); !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	})
	t.Run("no worker", func(t *testing.T) {
		dial, _ := serve(t, &buildkitd{})
		if _, err := Connect(t.Context(), dial); err == nil || !strings.Contains(err.Error(), "no worker") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("accepts and says nothing", func(t *testing.T) {
		here, there := net.Pipe()
		defer func() { _ = there.Close() }()
		go func() { // swallow what gRPC writes
			buf := make([]byte, 1024)
			for {
				if _, err := there.Read(buf); err != nil {
					return
				}
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := Connect(ctx, func(context.Context) (net.Conn, error) { return here, nil })
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "has not answered") {
			t.Errorf("error %v", err)
		}
		if _, err := here.Write([]byte{0}); err == nil {
			t.Error("the connection was left open")
		}
	})
	t.Run("closes at once", func(t *testing.T) {
		here, there := net.Pipe()
		if err := there.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := Connect(t.Context(), func(context.Context) (net.Conn, error) { return here, nil })
		if Classify(err) != KindLost {
			t.Errorf("error %v is %s, want lost", err, Classify(err))
		}
	})
}

// solveOne starts a solve that does not end by itself.
func solveOne(ctx context.Context, t *testing.T, b *buildkitd, tune func(*Daemon)) <-chan error {
	t.Helper()
	dial, _ := serve(t, b)
	d, err := Connect(ctx, dial)
	if err != nil {
		t.Fatal(err)
	}
	tune(d)
	dir := t.TempDir()
	write(t, dir, attrs("Dockerfile", "FROM scratch"))
	p, err := Prepare(ctx, Request{Context: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(p.Close(), d.Close()); err != nil {
			t.Error(err)
		}
	})
	updates := make(chan *client.SolveStatus)
	failed := make(chan error, 1)
	go func() {
		_, err := d.Solve(ctx, p, Job{Single: true}, updates)
		for range updates {
			t.Error("an update after the end")
		}
		failed <- err
	}()
	return failed
}

func TestSolveCancelled(t *testing.T) {
	for _, name := range []string{"daemon obeys", "daemon does not"} {
		t.Run(name, func(t *testing.T) {
			b := &buildkitd{workers: 1}
			ctx, cancel := context.WithCancelCause(t.Context())
			failed := solveOne(ctx, t, b, func(d *Daemon) { d.cancelGrace = 50 * time.Millisecond })
			<-b.started
			b.mute.Store(name == "daemon does not")
			reason := errors.New("terminated by signal")
			cancel(reason)
			select {
			case err := <-failed:
				if Classify(err) != KindCancelled || !errors.Is(err, reason) {
					t.Errorf("error %v is %s, want cancelled for %v", err, Classify(err), reason)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("Solve did not return")
			}
		})
	}
}

func TestSolveSilentDaemon(t *testing.T) {
	b := &buildkitd{workers: 1}
	failed := solveOne(t.Context(), t, b, func(d *Daemon) {
		d.maxSilence, d.cancelGrace = 300*time.Millisecond, 50*time.Millisecond
	})
	<-b.started
	select {
	case err := <-failed:
		if Classify(err) != KindLost || !strings.Contains(err.Error(), "silent") {
			t.Errorf("error %v is %s, want lost", err, Classify(err))
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Solve did not return")
	}
}
