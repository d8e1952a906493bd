package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/session/grpchijack"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// asking is a daemon whose solves ask the session.
type asking struct {
	control.UnimplementedControlServer
	sessions *session.Manager
	ask      func(context.Context, session.Caller) error
}

func (a *asking) Session(stream grpc.BidiStreamingServer[control.BytesMessage, control.BytesMessage]) error {
	conn, closed, meta := grpchijack.Hijack(stream)
	defer conn.Close()
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	go func() {
		<-closed
		cancel()
	}()
	return a.sessions.HandleConn(ctx, conn, meta)
}

func (a *asking) Solve(ctx context.Context, r *control.SolveRequest) (*control.SolveResponse, error) {
	caller, err := a.sessions.Get(ctx, r.Session, false)
	if err != nil {
		return nil, err
	}
	return &control.SolveResponse{}, a.ask(ctx, caller)
}

// Status sends more than anybody reads.
func (a *asking) Status(_ *control.StatusRequest, stream grpc.ServerStreamingServer[control.StatusResponse]) error {
	message := &control.StatusResponse{Logs: []*control.VertexLog{{Msg: make([]byte, 30<<10)}}}
	for {
		if err := stream.Send(message); err != nil {
			return err
		}
	}
}

// clientOf returns a client like BuildKit's own, with gRPC's defaults, of a daemon whose
// solves ask the session. A nil relay is a direct connection.
func clientOf(tb testing.TB, r *Relay, ask func(context.Context, session.Caller) error) *grpc.ClientConn {
	tb.Helper()
	return connect(tb, socketOf(tb, r, ask))
}

// connect returns a client on a socket.
func connect(tb testing.TB, path string) *grpc.ClientConn {
	tb.Helper()
	client, err := grpc.NewClient("unix://"+path, plain)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// socketOf is the socket of a relay before such a daemon, or that of the daemon.
func socketOf(tb testing.TB, r *Relay, ask func(context.Context, session.Caller) error) string {
	tb.Helper()
	manager, err := session.NewManager()
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	var running sync.WaitGroup
	listen := func(name string) (string, net.Listener) {
		path := filepath.Join(dir, name)
		l, err := net.Listen("unix", path)
		if err != nil {
			tb.Fatal(err)
		}
		return path, l
	}
	behind, listener := listen("buildkitd.sock")
	server := grpc.NewServer()
	control.RegisterControlServer(server, &asking{sessions: manager, ask: ask})
	running.Go(func() { _ = server.Serve(listener) })
	tb.Cleanup(running.Wait)
	tb.Cleanup(server.Stop)
	if r == nil {
		return behind
	}
	path, front := listen("relay.sock")
	ctx, cancel := context.WithCancel(tb.Context())
	running.Go(func() {
		for {
			conn, err := front.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				_ = r.Serve(ctx, conn, func(ctx context.Context, _ string) (net.Conn, error) {
					return (&net.Dialer{}).DialContext(ctx, "unix", behind)
				})
			})
		}
	})
	tb.Cleanup(func() {
		_ = front.Close()
		cancel()
	})
	return path
}

// solveWith runs a solve with a session of the attachables.
func solveWith(ctx context.Context, client *grpc.ClientConn, attach ...session.Attachable) error {
	s, err := session.NewSession(ctx, "")
	if err != nil {
		return err
	}
	for _, a := range attach {
		s.Allow(a)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, grpchijack.Dialer(control.NewControlClient(client))) }()
	_, err = control.NewControlClient(client).Solve(ctx, &control.SolveRequest{Session: s.ID()})
	_ = s.Close()
	return errors.Join(err, <-done)
}

// ownServices are the tokens of one host.
func ownServices(impl auth.AuthServer) func(context.Context) []Service {
	return func(context.Context) []Service {
		return []Service{{
			Desc: &auth.Auth_ServiceDesc, Impl: impl,
			New: func(string) proto.Message { return new(auth.FetchTokenRequest) },
			Handles: func(m proto.Message) bool {
				r, ok := m.(*auth.FetchTokenRequest)
				return ok && strings.HasPrefix(r.Host, "own.example")
			},
		}}
	}
}

// memoryDir is a directory in memory where there is one, so that no disk is measured.
func memoryDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "relay-")
	if err != nil {
		return tb.TempDir()
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

const contextFile = 8 << 20

// writeContext writes files, and returns a source of them.
func writeContext(tb testing.TB, files int) session.Attachable {
	tb.Helper()
	dir := memoryDir(tb)
	for i := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("file", i)), fileContent(i), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	fs, err := fsutil.NewFS(dir)
	if err != nil {
		tb.Fatal(err)
	}
	return filesync.NewFSSyncProvider(filesync.StaticDirSource{"context": fs})
}

func fileContent(i int) []byte {
	block := make([]byte, contextFile)
	state := uint32(i + 1)
	for j := range block {
		state = state*1664525 + 1013904223
		block[j] = byte(state >> 24)
	}
	return block
}

// fetchContext fetches the context of a session into a directory.
func fetchContext(ctx context.Context, caller session.Caller, dir string, patterns ...string) error {
	return filesync.FSSync(ctx, caller, filesync.FSSendRequestOpt{Name: "context", DestDir: dir, ExcludePatterns: patterns})
}

// BenchmarkUpload sends 256 MiB to a daemon that writes them into memory: directly, through
// a relay that passes sessions on, and through one that answers a part of them. cpu-ns/op is
// the CPU time of client, relay and daemon together.
func BenchmarkUpload(b *testing.B) {
	const files = 32
	source := writeContext(b, files)
	for _, c := range []struct {
		name  string
		relay *Relay
	}{{"direct", nil}, {"passed", &Relay{}}, {"services", &Relay{Services: ownServices(tokens{name: "relay"})}}} {
		b.Run(c.name, func(b *testing.B) {
			dir := memoryDir(b)
			client := clientOf(b, c.relay, func(ctx context.Context, caller session.Caller) error {
				dest, err := os.MkdirTemp(dir, "")
				if err != nil {
					return err
				}
				defer os.RemoveAll(dest)
				return fetchContext(ctx, caller, dest)
			})
			b.SetBytes(files * contextFile)
			before := cpuTime()
			for b.Loop() {
				if err := solveWith(b.Context(), client, source, tokens{name: "client"}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// cpuTime is that of the process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestSessionInterleaved tests that a context arrives unchanged while calls are answered on
// both sides: what this side answers has no influence on windows, numbers of streams and
// tables of headers of the others.
func TestSessionInterleaved(t *testing.T) {
	const files, callers, calls = 3, 4, 50
	dir := memoryDir(t)
	long := make([]string, 3000) // more than one frame of headers
	for i := range long {
		long[i] = fmt.Sprintf("**/does-not-match-%d-%s", i, strings.Repeat("x", 20))
	}
	client := clientOf(t, &Relay{Services: ownServices(tokens{name: "relay"})}, func(ctx context.Context, caller session.Caller) error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return fetchContext(ctx, caller, dir, long...) })
		for i := range callers {
			group.Go(func() error {
				for j := range calls {
					host, by := "own.example", "relay"
					if (i+j)%2 == 0 {
						host, by = "other.example", "client"
					}
					host += fmt.Sprint("/", i, j, strings.Repeat("y", 100*j))
					answer, err := auth.NewAuthClient(caller.Conn()).FetchToken(ctx, &auth.FetchTokenRequest{Host: host})
					if err != nil {
						return err
					}
					if want := by + " for " + host; answer.Token != want {
						return fmt.Errorf("token %q, want %q", answer.Token, want)
					}
				}
				return nil
			})
		}
		return group.Wait()
	})
	if err := solveWith(t.Context(), client, writeContext(t, files), tokens{name: "client"}); err != nil {
		t.Fatal(err)
	}
	for i := range files {
		got, err := os.ReadFile(filepath.Join(dir, fmt.Sprint("file", i)))
		if err != nil || !bytes.Equal(got, fileContent(i)) {
			t.Errorf("file %d has arrived with %d bytes that differ, %v", i, len(got), err)
		}
	}
}

// odd answers by the host.
type odd struct {
	auth.UnimplementedAuthServer
	cancelled chan struct{}
}

func (o odd) FetchToken(ctx context.Context, r *auth.FetchTokenRequest) (*auth.FetchTokenResponse, error) {
	switch r.Host {
	case "own.example/large":
		return &auth.FetchTokenResponse{Token: strings.Repeat("z", 300<<10)}, nil
	case "own.example/refused":
		s, err := status.New(codes.PermissionDenied, "no: ü 100%\n").WithDetails(&auth.FetchTokenRequest{Host: "detail"})
		if err != nil {
			return nil, err
		}
		return nil, s.Err()
	case "own.example/metadata":
		if err := grpc.SetHeader(ctx, metadata.Pairs("early", "1", "bytes-bin", "\x00\xff")); err != nil {
			return nil, err
		}
		return &auth.FetchTokenResponse{Token: fmt.Sprintf("%q", metadata.ValueFromIncomingContext(ctx, "sent-bin"))}, grpc.SetTrailer(ctx, metadata.Pairs("late", "2"))
	}
	<-ctx.Done()
	o.cancelled <- struct{}{}
	return nil, ctx.Err()
}

// TestSessionAnswers tests what the daemon gets of calls that are answered on this side:
// more than its windows hold, errors with their details, metadata; and that the end of its
// call ends the service's.
func TestSessionAnswers(t *testing.T) {
	service := odd{cancelled: make(chan struct{}, 2)}
	client := clientOf(t, &Relay{Services: ownServices(service)}, func(ctx context.Context, caller session.Caller) error {
		api := auth.NewAuthClient(caller.Conn())
		for range 3 {
			if answer, err := api.FetchToken(ctx, &auth.FetchTokenRequest{Host: "own.example/large"}); err != nil || len(answer.Token) != 300<<10 {
				t.Errorf("a large answer: %d bytes, %v", len(answer.GetToken()), err)
			}
		}
		_, err := api.FetchToken(ctx, &auth.FetchTokenRequest{Host: "own.example/refused"})
		s := status.Convert(err)
		if s.Code() != codes.PermissionDenied || !strings.HasSuffix(s.Message(), "no: ü 100%\n") || len(s.Details()) != 1 {
			t.Errorf("an error: %v, details %v", err, s.Details())
		}
		var header, trailer metadata.MD
		answer, err := api.FetchToken(metadata.AppendToOutgoingContext(ctx, "sent-bin", "\x01\xfe"), &auth.FetchTokenRequest{Host: "own.example/metadata"}, grpc.Header(&header), grpc.Trailer(&trailer))
		if err != nil || answer.Token != `["\x01\xfe"]` || header.Get("early")[0] != "1" || header.Get("bytes-bin")[0] != "\x00\xff" || trailer.Get("late")[0] != "2" {
			t.Errorf("metadata: %v, %v, %v, %v", answer, header, trailer, err)
		}
		if _, err := api.Credentials(ctx, &auth.CredentialsRequest{Host: "own.example"}); status.Code(err) != codes.Unimplemented {
			t.Errorf("a method that the service does not have: %v", err)
		}
		late, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if _, err := api.FetchToken(late, &auth.FetchTokenRequest{Host: "own.example/wait"}); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("a call with a deadline: %v", err)
		}
		within(t, "the end of a call with a deadline", service.cancelled)
		gone, leave := context.WithCancel(ctx)
		time.AfterFunc(50*time.Millisecond, leave)
		if _, err := api.FetchToken(gone, &auth.FetchTokenRequest{Host: "own.example/wait"}); status.Code(err) != codes.Canceled {
			t.Errorf("a call that was cancelled: %v", err)
		}
		within(t, "the end of a call that was cancelled", service.cancelled)
		if _, err := api.FetchToken(ctx, &auth.FetchTokenRequest{Host: "own.example/" + strings.Repeat("x", maxRequest)}); err == nil {
			t.Error("a request that is too large was answered")
		}
		if answer, err := api.FetchToken(ctx, &auth.FetchTokenRequest{Host: "other.example"}); err != nil || answer.Token != "client for other.example" {
			t.Errorf("a call of the client after all these: %v, %v", answer, err)
		}
		return nil
	})
	if err := solveWith(t.Context(), client, tokens{name: "client"}); err != nil {
		t.Fatal(err)
	}
}

// plain is for sockets.
var plain = grpc.WithTransportCredentials(insecure.NewCredentials())

// TestSessionExposes tests that the daemon is told of the methods of both sides.
func TestSessionExposes(t *testing.T) {
	client := clientOf(t, &Relay{Services: ownServices(tokens{name: "relay"})}, func(_ context.Context, caller session.Caller) error {
		for _, method := range []string{fetchToken, "/moby.filesync.v1.FileSync/DiffCopy"} {
			if !caller.Supports(method) {
				t.Errorf("the daemon does not know of %s", method)
			}
		}
		return nil
	})
	if err := solveWith(t.Context(), client, writeContext(t, 0)); err != nil {
		t.Fatal(err)
	}
}
