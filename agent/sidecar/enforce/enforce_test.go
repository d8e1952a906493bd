package enforce

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/rs/zerolog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/slipway-build/slipway/agent/sidecar/peer"
	"github.com/slipway-build/slipway/agent/sidecar/policy"
	"github.com/slipway-build/slipway/agent/sidecar/relay"
)

// daemon answers as buildkitd does. A solve runs until it may end.
type daemon struct {
	control.UnimplementedControlServer
	gateway.UnimplementedLLBBridgeServer

	mu       sync.Mutex
	solved   []*control.SolveRequest
	gateways []*gateway.SolveRequest
	began    chan string   // references
	finish   chan struct{} // a value ends a solve
	sessions chan metadata.MD
}

func (d *daemon) Solve(ctx context.Context, r *control.SolveRequest) (*control.SolveResponse, error) {
	d.mu.Lock()
	d.solved = append(d.solved, r)
	d.mu.Unlock()
	d.began <- r.Ref
	select {
	case <-d.finish:
		return &control.SolveResponse{}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (d *daemon) Status(r *control.StatusRequest, stream grpc.ServerStreamingServer[control.StatusResponse]) error {
	if err := stream.SetHeader(metadata.Pairs("daemon", "1")); err != nil {
		return err
	}
	if err := stream.Send(&control.StatusResponse{Vertexes: []*control.Vertex{{Name: "step of " + r.Ref}}}); err != nil {
		return err
	}
	<-stream.Context().Done() // as while the build runs
	return nil
}

func (d *daemon) Session(stream grpc.BidiStreamingServer[control.BytesMessage, control.BytesMessage]) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	d.sessions <- md
	_, err := stream.Recv()
	return err
}

func (d *daemon) Prune(*control.PruneRequest, grpc.ServerStreamingServer[control.UsageRecord]) error {
	return nil
}

func (d *daemon) DiskUsage(context.Context, *control.DiskUsageRequest) (*control.DiskUsageResponse, error) {
	return &control.DiskUsageResponse{}, nil
}

func (d *daemon) Info(context.Context, *control.InfoRequest) (*control.InfoResponse, error) {
	return &control.InfoResponse{}, nil
}

func (d *daemon) ListenBuildHistory(r *control.BuildHistoryRequest, stream grpc.ServerStreamingServer[control.BuildHistoryEvent]) error {
	ref := strings.TrimPrefix(r.Ref, "lie-")
	return stream.Send(&control.BuildHistoryEvent{Record: &control.BuildHistoryRecord{
		Ref: ref, Logs: &control.Descriptor{Digest: "logs-of-" + ref},
		Results: map[string]*control.BuildResultInfo{"linux/amd64": {Attestations: []*control.Descriptor{{Digest: "provenance-of-" + ref}}}},
	}})
}

func (d *daemon) UpdateBuildHistory(context.Context, *control.UpdateBuildHistoryRequest) (*control.UpdateBuildHistoryResponse, error) {
	return &control.UpdateBuildHistoryResponse{}, nil
}

// bridge is the daemon as a gateway, whose Solve has the name of the other one.
type bridge struct {
	gateway.UnimplementedLLBBridgeServer
	daemon *daemon
}

func (b bridge) Solve(_ context.Context, r *gateway.SolveRequest) (*gateway.SolveResponse, error) {
	b.daemon.mu.Lock()
	defer b.daemon.mu.Unlock()
	b.daemon.gateways = append(b.daemon.gateways, r)
	return &gateway.SolveResponse{}, nil
}

func (b bridge) Ping(context.Context, *gateway.PingRequest) (*gateway.PongResponse, error) {
	return &gateway.PongResponse{}, nil
}

func (b bridge) NewContainer(context.Context, *gateway.NewContainerRequest) (*gateway.NewContainerResponse, error) {
	return &gateway.NewContainerResponse{}, nil
}

// door is a daemon behind a policy.
type door struct {
	t      *testing.T
	daemon *daemon
	log    *lines
	relay  *relay.Relay
	behind string
}

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newDoor(t *testing.T, text string, dryRun bool) *door {
	t.Helper()
	p, err := policy.Parse("policy", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d := &door{t: t, daemon: &daemon{began: make(chan string, 10), finish: make(chan struct{}), sessions: make(chan metadata.MD, 10)}, log: &lines{}, behind: filepath.Join(t.TempDir(), "d")}
	e := newEnforcer(p, Options{DryRun: dryRun, Log: zerolog.New(d.log)})
	e.owned.patience = time.Second
	d.relay = &relay.Relay{Interceptors: []relay.Interceptor{e.interceptor()}, Affinity: "slipway-affinity"}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return status.Error(codes.Unimplemented, "the daemon was asked") }))
	control.RegisterControlServer(server, d.daemon)
	gateway.RegisterLLBBridgeServer(server, bridge{daemon: d.daemon})
	listener, err := net.Listen("unix", d.behind)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return d
}

// client is one of a name, empty for a unix socket's. affinities gets the keys of its
// connection.
func (d *door) client(name string, affinities ...chan string) *grpc.ClientConn {
	d.t.Helper()
	here, there := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.relay.Serve(peer.With(d.t.Context(), peer.Peer{Name: name}), there, func(ctx context.Context, affinity string) (net.Conn, error) {
			for _, c := range affinities {
				c <- affinity
			}
			return (&net.Dialer{}).DialContext(ctx, "unix", d.behind)
		})
	}()
	used := false
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
		if used {
			return nil, net.ErrClosed
		}
		used = true
		return here, nil
	}))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = conn.Close(); _ = here.Close(); <-done })
	return conn
}

// session opens one until it is ended.
func (d *door) session(conn *grpc.ClientConn, id, key string) (end func(), err error) {
	d.t.Helper()
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(d.t.Context(), sessionID, id, sessionSharedKey, key))
	stream, err := control.NewControlClient(conn).Session(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	failed := make(chan error, 1)
	go func() { _, err := stream.Recv(); failed <- err }()
	select {
	case md := <-d.daemon.sessions:
		d.daemon.sessions <- md
		return cancel, nil
	case err := <-failed:
		cancel()
		return nil, err
	case <-time.After(10 * time.Second):
		cancel()
		d.t.Fatal("no session")
		return nil, nil
	}
}

// solve begins a build and returns how it ends.
func (d *door) solve(conn *grpc.ClientConn, r *control.SolveRequest) <-chan error {
	ended := make(chan error, 1)
	go func() {
		_, err := control.NewControlClient(conn).Solve(d.t.Context(), r)
		ended <- err
	}()
	return ended
}

// bounded is a context that ends a stream on which nothing comes.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func within[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: nothing after 20 s", what)
		panic("unreachable")
	}
}

// refusedWith tests that a call was refused, for a reason.
func refusedWith(t *testing.T, what string, err error, reason string) {
	t.Helper()
	if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "slipway agent: policy: ") || !strings.Contains(err.Error(), reason) {
		t.Errorf("%s: %v, want a refusal with %q", what, err, reason)
	}
}

// TestMethods tests that clients reach nothing of others: neither what the builder holds,
// nor its history, nor contents that no record of their own builds has named.
func TestMethods(t *testing.T) {
	d := newDoor(t, "{}", false)
	conn := d.client("")
	c, ctx := control.NewControlClient(conn), t.Context()
	if _, err := c.Info(ctx, &control.InfoRequest{}); err != nil {
		t.Errorf("info: %v", err)
	}
	_, err := c.DiskUsage(ctx, &control.DiskUsageRequest{})
	refusedWith(t, "disk usage", err, "/moby.buildkit.v1.Control/DiskUsage is for those who run the builder")
	prune, err := c.Prune(ctx, &control.PruneRequest{})
	if err == nil {
		_, err = prune.Recv()
	}
	refusedWith(t, "prune", err, "Prune is for those who run the builder")
	history := func(ref string) error {
		stream, err := c.ListenBuildHistory(ctx, &control.BuildHistoryRequest{Ref: ref})
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	content := func(digest string) error {
		request := new(emptypb.Empty)
		request.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), digest))
		return conn.Invoke(ctx, relay.ContentInfo, request, new(emptypb.Empty))
	}
	refusedWith(t, "history", history(""), "the history of all builds is for those who run the builder")
	refusedWith(t, "history of another", history("foreign"), "the build was not begun by this client")
	_, err = c.UpdateBuildHistory(ctx, &control.UpdateBuildHistoryRequest{Ref: "foreign", Finalize: true})
	refusedWith(t, "record of another", err, "the build was not begun by this client")

	for _, ref := range []string{"own", "lie-other"} {
		ended := d.solve(conn, &control.SolveRequest{Ref: ref, Frontend: "dockerfile.v0"})
		within(t, "the build", d.daemon.began)
		d.daemon.finish <- struct{}{}
		if err := within(t, "the build", ended); err != nil {
			t.Fatal(err)
		}
	}
	refusedWith(t, "content", content("provenance-of-own"), "is not of a build of this client")
	if err := history("own"); err != nil {
		t.Errorf("the own record: %v", err)
	}
	refusedWith(t, "a record that is another's", history("lie-other"), "the build was not begun by this client")
	for _, digest := range []string{"provenance-of-own", "logs-of-own"} {
		if err := content(digest); status.Code(err) != codes.Unimplemented { // it came to the daemon
			t.Errorf("%s: %v", digest, err)
		}
	}
	refusedWith(t, "content of another", content("provenance-of-other"), "is not of a build of this client")
	refusedWith(t, "content of two", content(""), "the request cannot be read")
	for name, r := range map[string]*control.UpdateBuildHistoryRequest{"deleted": {Ref: "own", Delete: true}, "changed": {Ref: "own", Pinned: true}} {
		_, err := c.UpdateBuildHistory(ctx, r)
		refusedWith(t, name, err, "records of the history are not "+name+" by clients")
	}
	if _, err := c.UpdateBuildHistory(ctx, &control.UpdateBuildHistoryRequest{Ref: "own", Finalize: true}); err != nil {
		t.Errorf("complete the own record: %v", err)
	}
	unknown := &control.InfoRequest{}
	unknown.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 9, protowire.VarintType), 1))
	_, err = c.Info(ctx, unknown)
	refusedWith(t, "a field", err, "InfoRequest has fields that are not known here")
	if log := d.log.String(); !strings.Contains(log, "refused by the policy: ") || !strings.Contains(log, `"method":"/moby.buildkit.v1.Control/Prune"`) {
		t.Errorf("the log: %s", log)
	}
}

// TestMethodsAreKnown tests that the daemon's methods that the relay passes on have a
// rule here.
func TestMethodsAreKnown(t *testing.T) {
	for _, services := range []grpc.ServiceDesc{control.Control_ServiceDesc, gateway.LLBBridge_ServiceDesc} {
		for _, m := range services.Methods {
			if _, ok := methods["/"+services.ServiceName+"/"+m.MethodName]; !ok {
				t.Errorf("%s has no rule", m.MethodName)
			}
		}
		for _, m := range services.Streams {
			if _, ok := methods["/"+services.ServiceName+"/"+m.StreamName]; !ok {
				t.Errorf("%s has no rule", m.StreamName)
			}
		}
	}
}

// TestClientsOfOneNode tests that a client uses neither the sessions nor the builds of
// another one, and that what it sends is bound to its tenant.
func TestClientsOfOneNode(t *testing.T) {
	d := newDoor(t, `{"clients": {"a": {"tenant": "a"}, "b": {"tenant": "b"}}}`, false)
	affinities := make(chan string, 1)
	a, b := d.client("a", affinities), d.client("b")
	ctx := metadata.AppendToOutgoingContext(t.Context(), "slipway-affinity", "key")
	if _, err := control.NewControlClient(a).Info(ctx, &control.InfoRequest{}); err != nil {
		t.Fatal(err)
	}
	if got := within(t, "the pod", affinities); got != "a key" {
		t.Errorf("the pod is chosen by %q", got)
	}
	end, err := d.session(a, "of-a", "context")
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	key := within(t, "the session", d.daemon.sessions).Get(sessionSharedKey)
	if len(key) != 1 || !strings.HasPrefix(key[0], "tenant-") || !strings.HasSuffix(key[0], "-context") {
		t.Errorf("the key of contexts is %q", key)
	}
	if end, err := d.session(b, "of-a", ""); err == nil {
		end()
		t.Error("b opens the session of a")
	} else {
		refusedWith(t, "session", err, "the session was opened by another client")
	}
	refusedWith(t, "session of another", within(t, "b", d.solve(b, &control.SolveRequest{Ref: "b1", Session: "of-a"})), `session "of-a" was not opened by this client`)

	ended := d.solve(a, &control.SolveRequest{Ref: "a1", Session: "of-a", Frontend: "dockerfile.v0"})
	within(t, "the build", d.daemon.began)
	if got := d.daemon.solved[0].FrontendAttrs["build-arg:BUILDKIT_CACHE_MOUNT_NS"]; !strings.HasPrefix(got, "tenant-") {
		t.Errorf("cache mounts are in %q", got)
	}
	refusedWith(t, "reference of another", within(t, "b", d.solve(b, &control.SolveRequest{Ref: "a1"})), "there is another build with this reference")
	readStatus := func(conn *grpc.ClientConn) error {
		stream, err := control.NewControlClient(conn).Status(t.Context(), &control.StatusRequest{Ref: "a1"})
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	ping := func(conn *grpc.ClientConn) error {
		_, err := gateway.NewLLBBridgeClient(conn).Ping(metadata.AppendToOutgoingContext(t.Context(), buildID, "a1"), &gateway.PingRequest{})
		return err
	}
	var foreign sync.WaitGroup // each waits for long
	foreign.Go(func() { refusedWith(t, "status of another", readStatus(b), "the build was not begun by this client") })
	foreign.Go(func() { refusedWith(t, "gateway of another", ping(b), "the build was not begun by this client") })
	if err := readStatus(a); err != nil {
		t.Errorf("the own status: %v", err)
	}
	if err := ping(a); err != nil {
		t.Errorf("the own gateway: %v", err)
	}
	bridge := gateway.NewLLBBridgeClient(a)
	inBuild := metadata.AppendToOutgoingContext(t.Context(), buildID, "a1")
	if _, err := bridge.Solve(inBuild, &gateway.SolveRequest{Frontend: "dockerfile.v0"}); err != nil {
		t.Errorf("a build of the gateway: %v", err)
	}
	if got := d.daemon.gateways[0].FrontendOpt; got["cmdline"] != "dockerfile.v0" || !strings.HasPrefix(got["build-arg:BUILDKIT_CACHE_MOUNT_NS"], "tenant-") {
		t.Errorf("the gateway gets %v", got)
	}
	_, err = bridge.Solve(inBuild, &gateway.SolveRequest{Frontend: "other.v0"})
	refusedWith(t, "other frontend", err, `frontend "other.v0" is not allowed`)
	_, err = bridge.NewContainer(inBuild, &gateway.NewContainerRequest{})
	refusedWith(t, "container", err, "containers beside a build are not allowed")
	foreign.Wait()
	d.daemon.finish <- struct{}{}
	if err := within(t, "the build", ended); err != nil {
		t.Errorf("the build of a: %v", err)
	}
	_, err = bridge.Ping(inBuild, &gateway.PingRequest{})
	if err != nil {
		refusedWith(t, "after the build", err, "the build has ended")
	}
}

// TestQueue tests that builds wait in their order, that their status tells the place, and
// that too many are refused.
func TestQueue(t *testing.T) {
	d := newDoor(t, `{"maxBuilds": 1, "maxWaiting": 2}`, false)
	conn := d.client("")
	ended := map[string]<-chan error{}
	statuses := map[string]grpc.ServerStreamingClient[control.StatusResponse]{}
	receive := func(ref string) *control.StatusResponse {
		t.Helper()
		r, err := statuses[ref].Recv()
		if err != nil {
			t.Fatalf("%s: %v", ref, err)
		}
		return r
	}
	for i, ref := range []string{"first", "second", "third"} {
		var err error
		if statuses[ref], err = control.NewControlClient(conn).Status(bounded(t), &control.StatusRequest{Ref: ref}); err != nil { // before the build, as clients do
			t.Fatal(err)
		}
		ended[ref] = d.solve(conn, &control.SolveRequest{Ref: ref, Frontend: "dockerfile.v0"})
		if i == 0 {
			within(t, "the build", d.daemon.began)
			continue
		}
		want := []string{"", "[policy] waiting for a place: 0 builds before this one, 1 at a time", "[policy] waiting for a place: 1 build before this one, 1 at a time"}[i]
		if got := receive(ref).Vertexes; len(got) != 1 || got[0].Name != want || got[0].Started == nil || got[0].Completed != nil {
			t.Errorf("%s: %v, want %q", ref, got, want)
		}
	}
	if got := receive("first").Vertexes[0].Name; got != "step of first" {
		t.Errorf("the first shows %q", got)
	}
	full := within(t, "the fourth", d.solve(conn, &control.SolveRequest{Ref: "fourth", Frontend: "dockerfile.v0"}))
	if status.Code(full) != codes.ResourceExhausted || !strings.Contains(full.Error(), "too many builds wait: at most 2 of this client wait") {
		t.Errorf("the fourth: %v", full)
	}
	_, err := control.NewControlClient(conn).Solve(t.Context(), &control.SolveRequest{Ref: "second"})
	refusedWith(t, "the second again", err, "there is another build with this reference")

	d.daemon.finish <- struct{}{}
	if err := within(t, "the first", ended["first"]); err != nil {
		t.Error(err)
	}
	if got := within(t, "the next", d.daemon.began); got != "second" {
		t.Errorf("%s follows the first", got)
	}
	if got := receive("second").Vertexes; len(got) != 1 || got[0].Completed == nil {
		t.Errorf("the second got its place: %v", got)
	}
	if got := receive("second").Vertexes; len(got) != 1 || got[0].Name != "step of second" {
		t.Errorf("the second shows %v", got)
	}
	if got := receive("third").Logs; len(got) != 1 || string(got[0].Msg) != "0 builds before this one, 1 at a time\n" {
		t.Errorf("the third: %v", got)
	}
	d.daemon.finish <- struct{}{}
	within(t, "the third", d.daemon.began)
	d.daemon.finish <- struct{}{}
	for _, ref := range []string{"second", "third"} {
		if err := within(t, ref, ended[ref]); err != nil {
			t.Error(err)
		}
	}
}

// TestQueueOfOwnFrontends tests that a client with a frontend of its own begins at once,
// waits for a place when it builds something, and is told among the steps of the daemon.
func TestQueueOfOwnFrontends(t *testing.T) {
	d := newDoor(t, `{"maxBuilds": 1, "timeout": "1m"}`, false)
	conn := d.client("")
	bridge := gateway.NewLLBBridgeClient(conn)
	first := d.solve(conn, &control.SolveRequest{Ref: "first", Frontend: "dockerfile.v0"})
	within(t, "the first", d.daemon.began)
	own := d.solve(conn, &control.SolveRequest{Ref: "own"})
	within(t, "the own frontend", d.daemon.began)
	inOwn := metadata.AppendToOutgoingContext(t.Context(), buildID, "own")
	if _, err := bridge.Ping(inOwn, &gateway.PingRequest{}); err != nil {
		t.Errorf("ask what there is: %v", err)
	}
	stream, err := control.NewControlClient(conn).Status(bounded(t), &control.StatusRequest{Ref: "own"})
	if err != nil {
		t.Fatal(err)
	}
	solved := make(chan error, 1)
	go func() {
		_, err := bridge.Solve(inOwn, &gateway.SolveRequest{Frontend: "dockerfile.v0"})
		solved <- err
	}()
	var names []string
	for !strings.Contains(strings.Join(names, "|"), "[policy] waiting for a place: 0 builds before this one, 1 at a time") {
		r, err := stream.Recv()
		if err != nil {
			t.Fatalf("%v after %q", err, names)
		}
		for _, v := range r.Vertexes {
			names = append(names, v.Name)
		}
	}
	select {
	case err := <-solved:
		t.Fatalf("it has not waited: %v", err)
	default:
	}
	d.daemon.finish <- struct{}{}
	for what, err := range map[string]<-chan error{"the first": first, "what waited": solved} {
		if err := within(t, what, err); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	d.daemon.finish <- struct{}{}
	if err := within(t, "the own frontend", own); err != nil {
		t.Error(err)
	}
}

// TestLeavingTheQueue tests that a build whose client is gone keeps no place.
func TestLeavingTheQueue(t *testing.T) {
	q := newQueue(2)
	a1, _ := q.enter("a", 1, 9)
	a2, _ := q.enter("a", 1, 9)
	b1, _ := q.enter("b", 1, 9)
	b2, _ := q.enter("b", 0, 9)
	ready := func(t *ticket) bool {
		select {
		case <-t.ready:
			return true
		default:
			return false
		}
	}
	if !ready(a1) || ready(a2) || !ready(b1) || ready(b2) {
		t.Fatalf("places: %t %t %t %t", ready(a1), ready(a2), ready(b1), ready(b2))
	}
	if before, places, _ := b2.place(); before != 1 || places != 2 {
		t.Errorf("%d before, %d places", before, places)
	}
	if before, places, _ := a2.place(); before != 0 || places != 1 {
		t.Errorf("%d before, %d places", before, places)
	}
	b1.leave()
	b1.leave()
	if ready(a2) || !ready(b2) {
		t.Error("the place goes to a client that has its own already")
	}
	a2.leave()
	a1.leave()
	b2.leave()
	if len(q.running) != 0 || len(q.waiting) != 0 {
		t.Errorf("left: %v %v", q.running, q.waiting)
	}
}

// TestTimeout tests that a build that takes too long is ended, and the client is told why.
func TestTimeout(t *testing.T) {
	d := newDoor(t, `{"timeout": "50ms"}`, false)
	err := within(t, "the build", d.solve(d.client(""), &control.SolveRequest{Ref: "a", Frontend: "dockerfile.v0"}))
	if status.Code(err) != codes.DeadlineExceeded || !strings.Contains(err.Error(), "the build has taken longer than 50ms, the timeout of the policy") {
		t.Error(err)
	}
}

// TestRefusedBuild tests that the status of a refused build ends at once and says nothing,
// because the build itself does.
func TestRefusedBuild(t *testing.T) {
	d := newDoor(t, "{}", false)
	conn := d.client("")
	refusedWith(t, "the build", within(t, "the build", d.solve(conn, &control.SolveRequest{Ref: "a", Entitlements: []string{"security.insecure"}})), `entitlement "security.insecure"`)
	stream, err := control.NewControlClient(conn).Status(t.Context(), &control.StatusRequest{Ref: "a"})
	if err == nil {
		_, err = stream.Recv()
	}
	if err == nil || err.Error() != "EOF" {
		t.Errorf("its status: %v", err)
	}
}

// TestDryRun tests that what would be refused is logged, and passed on as it was.
func TestDryRun(t *testing.T) {
	d := newDoor(t, "{tenant: a, maxBuilds: 1}", true)
	conn := d.client("")
	c := control.NewControlClient(conn)
	ended := d.solve(conn, &control.SolveRequest{Ref: "a", Frontend: "other.v0", Session: "nobody's"})
	within(t, "the build", d.daemon.began)
	bridge := gateway.NewLLBBridgeClient(conn)
	if _, err := bridge.Solve(metadata.AppendToOutgoingContext(t.Context(), buildID, "a"), &gateway.SolveRequest{Frontend: "third.v0"}); err != nil {
		t.Error(err)
	}
	other := d.solve(conn, &control.SolveRequest{Ref: "b"})
	within(t, "another build", d.daemon.began) // there is no queue
	d.daemon.finish <- struct{}{}
	d.daemon.finish <- struct{}{}
	for _, e := range []<-chan error{ended, other} {
		if err := within(t, "a build", e); err != nil {
			t.Error(err)
		}
	}
	if got := d.daemon.solved[0]; got.Frontend != "other.v0" || len(got.FrontendAttrs) > 0 {
		t.Errorf("the daemon gets %v", got)
	}
	if _, err := c.DiskUsage(t.Context(), &control.DiskUsageRequest{}); err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		`would be refused by the policy: frontend \"other.v0\" is not allowed`, `would be refused by the policy: frontend \"third.v0\" is not allowed`,
		`would be refused by the policy: /moby.buildkit.v1.Control/DiskUsage is for those who run the builder`,
	} {
		if !strings.Contains(d.log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, d.log)
		}
	}
}

// FuzzContentDigest tests that a digest is read from a request only where containerd
// would read the same.
func FuzzContentDigest(f *testing.F) {
	f.Add(protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "sha256:a"))
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, raw []byte) {
		digest, ok := contentDigest(raw)
		if !ok {
			return
		}
		last := "" // the last one counts
		for rest := raw; len(rest) > 0; {
			number, kind, n := protowire.ConsumeField(rest)
			if n < 0 {
				t.Fatalf("%x is let through", raw)
			}
			if number == 1 && kind == protowire.BytesType {
				_, _, tag := protowire.ConsumeTag(rest)
				last, _ = protowire.ConsumeString(rest[tag:])
			}
			rest = rest[n:]
		}
		if digest != last {
			t.Errorf("%x: %q, want %q", raw, digest, last)
		}
	})
}

// TestRefusedBuildOwnsNothing tests that a client does not get the record of another one by
// asking for a build with its reference: neither by one that is refused, nor by so many that
// the other's is forgotten.
func TestRefusedBuildOwnsNothing(t *testing.T) {
	d := newDoor(t, "{clients: {a: {}, b: {}}}", false)
	b := d.client("b")
	ask := func(ref string) error {
		return within(t, "the build", d.solve(b, &control.SolveRequest{Ref: ref, Entitlements: []string{"security.insecure"}}))
	}
	refusedWith(t, "the build", ask("foreign"), `entitlement "security.insecure"`)
	stream, err := control.NewControlClient(b).ListenBuildHistory(bounded(t), &control.BuildHistoryRequest{Ref: "foreign"})
	if err == nil {
		_, err = stream.Recv()
	}
	refusedWith(t, "its record", err, "the build was not begun by this client")
	_, err = control.NewControlClient(b).UpdateBuildHistory(t.Context(), &control.UpdateBuildHistoryRequest{Ref: "foreign", Finalize: true})
	refusedWith(t, "the end of its record", err, "the build was not begun by this client")
	refusedWith(t, "a long reference", ask(strings.Repeat("r", maxReference+1)), "the reference of the build has 257 bytes, more than 256")

	o := newOwned()
	o.begin("a", "of a", policy.Build{}).end()
	for i := range maxBuilds + 1 {
		o.begin("b", strconv.Itoa(i), policy.Build{}).end()
	}
	if o.build("a", "of a") == nil || o.begin("b", "of a", policy.Build{}) != nil {
		t.Error("builds of b make a lose its own")
	}
	if len(o.builds) != maxBuilds+1 || len(o.order["b"]) != maxBuilds || o.build("b", "0") != nil {
		t.Errorf("%d builds are remembered", len(o.builds))
	}
}
