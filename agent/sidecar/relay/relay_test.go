package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	control "github.com/moby/buildkit/api/services/control"
	apitypes "github.com/moby/buildkit/api/types"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth"
	"github.com/moby/buildkit/session/grpchijack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// buildkitd is the daemon's side: a solve asks the client of its session for a token.
type buildkitd struct {
	control.UnimplementedControlServer
	sessions *session.Manager
	solved   chan string // the frontends of solves
	ended    chan struct{}
}

func (b *buildkitd) ListWorkers(context.Context, *control.ListWorkersRequest) (*control.ListWorkersResponse, error) {
	return &control.ListWorkersResponse{Record: []*apitypes.WorkerRecord{{ID: "w"}}}, nil
}

func (b *buildkitd) Session(stream grpc.BidiStreamingServer[control.BytesMessage, control.BytesMessage]) error {
	conn, closed, meta := grpchijack.Hijack(stream)
	defer conn.Close()
	ctx, cancel := context.WithCancel(stream.Context())
	go func() {
		<-closed
		cancel()
	}()
	err := b.sessions.HandleConn(ctx, conn, meta)
	b.ended <- struct{}{}
	return err
}

func (b *buildkitd) Solve(ctx context.Context, r *control.SolveRequest) (*control.SolveResponse, error) {
	b.solved <- r.Frontend
	caller, err := b.sessions.Get(ctx, r.Session, false)
	if err != nil {
		return nil, err
	}
	response := &control.SolveResponse{ExporterResponse: map[string]string{"frontend": r.Frontend}}
	for _, host := range []string{"own.example", "other.example"} {
		token, err := auth.NewAuthClient(caller.Conn()).FetchToken(ctx, &auth.FetchTokenRequest{Host: host})
		if err != nil {
			return nil, err
		}
		response.ExporterResponse[host] = token.Token
	}
	return response, nil
}

// tokens answers with its own name.
type tokens struct {
	auth.UnimplementedAuthServer
	name string
}

func (t tokens) Register(s *grpc.Server) { auth.RegisterAuthServer(s, t) }

func (t tokens) FetchToken(_ context.Context, r *auth.FetchTokenRequest) (*auth.FetchTokenResponse, error) {
	return &auth.FetchTokenResponse{Token: t.name + " for " + r.Host}, nil
}

// world is a client, a relay and a daemon, connected by unix sockets.
type world struct {
	client *grpc.ClientConn
	daemon *buildkitd
	stop   func() // ends the daemon
	served chan error
}

func newWorld(t *testing.T, r *Relay) *world {
	t.Helper()
	manager, err := session.NewManager()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{daemon: &buildkitd{sessions: manager, solved: make(chan string, 1), ended: make(chan struct{}, 1)}, served: make(chan error, 1)}
	dir := t.TempDir()
	server := grpc.NewServer()
	control.RegisterControlServer(server, w.daemon)
	behind := listen(t, dir+"/buildkitd.sock")
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(behind) })
	w.stop = sync.OnceFunc(server.Stop)
	front := listen(t, dir+"/relay.sock")
	running.Go(func() {
		conn, err := front.Accept()
		if err != nil {
			w.served <- err
			return
		}
		w.served <- r.Serve(t.Context(), conn, func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", dir+"/buildkitd.sock")
		})
	})
	conn, err := net.Dial("unix", dir+"/relay.sock")
	if err != nil {
		t.Fatal(err)
	}
	if w.client, err = clientOn(conn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.client.Close()
		w.stop()
		_ = front.Close()
		running.Wait()
	})
	return w
}

func listen(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// within fails the test when nothing comes for long.
func within[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: nothing after 30 s", what)
		panic("unreachable")
	}
}

// openSession runs a session over the client, until the returned function ends it.
func (w *world) openSession(t *testing.T, attach ...session.Attachable) (id string, end func()) {
	t.Helper()
	s, err := session.NewSession(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attach {
		s.Allow(a)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context(), grpchijack.Dialer(control.NewControlClient(w.client))) }()
	return s.ID(), sync.OnceFunc(func() {
		_ = s.Close()
		_ = within(t, "the end of the session", done) // it may be that of the connection
	})
}

// TestServices tests that a daemon's questions are answered by the service that
// handles them, and else by the client, whether or not the client can answer.
func TestServices(t *testing.T) {
	own := func(context.Context) []Service {
		return []Service{{
			Desc: &auth.Auth_ServiceDesc, Impl: tokens{name: "relay"},
			New: func(string) proto.Message { return new(auth.FetchTokenRequest) },
			Handles: func(m proto.Message) bool {
				r, ok := m.(*auth.FetchTokenRequest)
				return ok && r.Host == "own.example"
			},
		}}
	}
	for name, c := range map[string]struct {
		services func(context.Context) []Service
		client   []session.Attachable
		want     map[string]string
	}{
		"both":         {own, []session.Attachable{tokens{name: "client"}}, map[string]string{"own.example": "relay for own.example", "other.example": "client for other.example"}},
		"client alone": {nil, []session.Attachable{tokens{name: "client"}}, map[string]string{"own.example": "client for own.example", "other.example": "client for other.example"}},
		"relay alone":  {own, nil, map[string]string{"own.example": "relay for own.example", "other.example": "relay for other.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, &Relay{Services: c.services})
			id, end := w.openSession(t, c.client...)
			defer end()
			answer, err := control.NewControlClient(w.client).Solve(t.Context(), &control.SolveRequest{Session: id, Frontend: "f"})
			if err != nil {
				t.Fatal(err)
			}
			for host, want := range c.want {
				if got := answer.ExporterResponse[host]; got != want {
					t.Errorf("%s: %q, want %q", host, got, want)
				}
			}
			if got := within(t, "the solve", w.daemon.solved); got != "f" {
				t.Errorf("frontend %q", got)
			}
			end()
			within(t, "the daemon's end of the session", w.daemon.ended)
		})
	}
}

// TestRefusals tests that what is not known and what an interceptor refuses does not
// reach the daemon.
func TestRefusals(t *testing.T) {
	w := newWorld(t, &Relay{Interceptors: []Interceptor{func(ctx context.Context, call *Call, next Handler) (proto.Message, error) {
		if r, ok := call.Request.(*control.SolveRequest); ok && r.Frontend == "evil" {
			return nil, status.Error(codes.PermissionDenied, "no "+call.Method)
		}
		return next(ctx)
	}}})
	api := control.NewControlClient(w.client)
	if _, err := api.ListWorkers(t.Context(), &control.ListWorkersRequest{}); err != nil {
		t.Errorf("an allowed call: %v", err)
	}
	_, err := api.Solve(t.Context(), &control.SolveRequest{Frontend: "evil"})
	if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "no /moby.buildkit.v1.Control/Solve") {
		t.Errorf("a solve that the check refuses: %v", err)
	}
	err = w.client.Invoke(t.Context(), "/moby.buildkit.v9.Control/Solve", &control.SolveRequest{}, &control.SolveResponse{})
	if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "is not passed on") {
		t.Errorf("an unknown method: %v", err)
	}
	select {
	case f := <-w.daemon.solved:
		t.Errorf("the daemon has got the solve %q", f)
	default:
	}
}

// TestInterceptors tests the order of interceptors, that what they write is what the
// daemon gets, that they get its answer, and that the end of their context is that of
// the call.
func TestInterceptors(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprintf(format, args...))
	}
	outer := func(ctx context.Context, call *Call, next Handler) (proto.Message, error) {
		if call.Request != nil { // the session's call has none, and runs beside the others
			note("outer %s %v", path.Base(call.Method), call.Metadata["name"])
		}
		answer, err := next(ctx)
		if response, ok := answer.(*control.SolveResponse); ok {
			note("answer %q", response.ExporterResponse["frontend"])
		}
		return answer, err
	}
	inner := func(ctx context.Context, call *Call, next Handler) (proto.Message, error) {
		r, ok := call.Request.(*control.SolveRequest)
		if !ok {
			return next(ctx)
		}
		note("inner %s", r.Frontend)
		if r.Frontend == "late" {
			ctx, cancel := context.WithDeadline(ctx, time.Now())
			defer cancel()
			return next(ctx)
		}
		r.Frontend, call.Rewritten = "rewritten", r.Frontend == "old"
		return next(ctx)
	}
	w := newWorld(t, &Relay{Interceptors: []Interceptor{outer, inner}})
	id, _ := w.openSession(t, tokens{name: "client"})
	api := control.NewControlClient(w.client)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "name", "value")
	if _, err := api.Solve(ctx, &control.SolveRequest{Session: id, Frontend: "old"}); err != nil {
		t.Fatal(err)
	}
	if got := within(t, "the solve", w.daemon.solved); got != "rewritten" {
		t.Errorf("the daemon has got the frontend %q", got)
	}
	if _, err := api.Solve(t.Context(), &control.SolveRequest{Session: id, Frontend: "late"}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a call whose context has ended: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	want := []string{"outer Solve [value]", "inner old", `answer "rewritten"`, "outer Solve []", "inner late"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("interceptors (-want +got):\n%s", diff)
	}
}

// TestEnds tests that each side's end is the other's, with a session open, and that
// nothing is left.
func TestEnds(t *testing.T) {
	client := func(w *world) { _ = w.client.Close() }
	daemon := func(w *world) { w.stop() }
	read := Relay{Services: func(context.Context) []Service { return nil }}
	for name, c := range map[string]struct {
		relay Relay
		end   func(*world)
	}{
		"client": {read, client}, "daemon": {read, daemon},
		"client of a session that is not read": {Relay{}, client}, "daemon of a session that is not read": {Relay{}, daemon},
	} {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			t.Run("", func(t *testing.T) {
				w := newWorld(t, &c.relay)
				id, endSession := w.openSession(t, tokens{name: "client"})
				if _, err := control.NewControlClient(w.client).Solve(t.Context(), &control.SolveRequest{Session: id}); err != nil {
					t.Fatal(err)
				}
				c.end(w)
				err := within(t, "the end of Serve", w.served)
				if err != nil && !errors.Is(err, errLost) && !errors.Is(err, io.EOF) {
					t.Errorf("Serve: %v", err)
				}
				endSession()
			})
			for deadline := time.Now().Add(30 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
				if time.Now().After(deadline) {
					stacks := make([]byte, 1<<20)
					t.Fatalf("%d goroutines before, %d after\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
				}
			}
		})
	}
}

// TestNoDialWithoutACall tests that who only connects costs the daemon nothing.
func TestNoDialWithoutACall(t *testing.T) {
	here, there := net.Pipe()
	served := make(chan error, 1)
	go func() {
		served <- (&Relay{}).Serve(t.Context(), there, func(context.Context, string) (net.Conn, error) {
			t.Error("dialled")
			return nil, errors.New("no")
		})
	}()
	_ = here.Close()
	if err := within(t, "the end of Serve", served); err != nil {
		t.Error(err)
	}
}

// TestDialFails tests that the client learns why there is no daemon.
func TestDialFails(t *testing.T) {
	here, there := net.Pipe()
	go func() {
		_ = (&Relay{}).Serve(t.Context(), there, func(context.Context, string) (net.Conn, error) { return nil, errors.New("no pod is ready") })
	}()
	client, err := clientOn(here)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = control.NewControlClient(client).ListWorkers(t.Context(), &control.ListWorkersRequest{})
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "no pod is ready") {
		t.Errorf("error %v", err)
	}
}

// TestDialsAgain tests that a call after a dial that has failed dials again, over the
// same connection of the client, that the calls which waited for a dial share its
// error, and that a client which repeats calls at once does not dial as fast.
func TestDialsAgain(t *testing.T) {
	dir := t.TempDir()
	server := grpc.NewServer()
	manager, err := session.NewManager()
	if err != nil {
		t.Fatal(err)
	}
	control.RegisterControlServer(server, &buildkitd{sessions: manager})
	behind := listen(t, dir+"/buildkitd.sock")
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(behind) })
	t.Cleanup(running.Wait)
	t.Cleanup(server.Stop)

	here, there := net.Pipe()
	var dials atomic.Int32
	running.Go(func() {
		_ = (&Relay{}).Serve(t.Context(), there, func(ctx context.Context, _ string) (net.Conn, error) {
			if dials.Add(1) == 1 {
				return nil, errors.New("no pod is ready")
			}
			return (&net.Dialer{}).DialContext(ctx, "unix", dir+"/buildkitd.sock")
		})
	})
	client, err := clientOn(here)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	began := time.Now()
	failures := 0
	for ; ; failures++ {
		_, err := control.NewControlClient(client).ListWorkers(t.Context(), &control.ListWorkersRequest{})
		if err == nil {
			break
		}
		if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "no pod is ready") {
			t.Fatalf("error %v", err)
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%d calls have failed, %d dials", failures, dials.Load())
		}
		time.Sleep(time.Millisecond)
	}
	if took := time.Since(began); dials.Load() != 2 || failures < 2 || took < redialPause {
		t.Errorf("%d dials and %d failed calls in %s, want the second dial after %s", dials.Load(), failures, took, redialPause)
	}
}

// TestClientLeavesADial tests that a dial ends with the client that it is for.
func TestClientLeavesADial(t *testing.T) {
	here, there := net.Pipe()
	dialling, served := make(chan struct{}), make(chan error, 1)
	go func() {
		served <- (&Relay{}).Serve(t.Context(), there, func(ctx context.Context, _ string) (net.Conn, error) {
			close(dialling)
			<-ctx.Done()
			return nil, context.Cause(ctx)
		})
	}()
	client, err := clientOn(here)
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan error, 1)
	go func() {
		_, err := control.NewControlClient(client).ListWorkers(t.Context(), &control.ListWorkersRequest{})
		called <- err
	}()
	within(t, "the dial", dialling)
	_ = client.Close()
	if err := within(t, "the end of Serve", served); err != nil {
		t.Error(err)
	}
	if err := within(t, "the end of the call", called); err == nil {
		t.Error("the call has succeeded")
	}
}
