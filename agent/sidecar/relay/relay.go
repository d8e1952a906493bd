package relay

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// maxMessage bounds one message, in bytes. It is BuildKit's own bound.
const maxMessage = 16 << 20

// window is how many bytes of a stream may be on their way unacknowledged. gRPC's own start
// is 64 KiB, which a sender behind a slow one waits for; 1 MiB is no faster, and is what each
// stream whose reader is slow holds.
const window = 256 << 10

// Relay passes the calls of connections on. It may be used by several goroutines.
type Relay struct {
	// Interceptors see each call before it is passed on, the first of them first. A
	// method that BuildKit's clients do not call does not reach them: it is refused.
	Interceptors []Interceptor
	// Unknown is told of each call of a method that BuildKit's clients do not call; nil
	// for nobody.
	Unknown func(method string)
	// Services are added to sessions of clients: the daemon's calls to them are
	// answered here. nil adds none, and sessions are passed on without being read.
	Services func(ctx context.Context) []Service
	// Affinity is the metadata of a call whose value Dial gets; empty for none.
	Affinity string
	// Limits bound what connections take, together with those of other relays; nil for no
	// bounds.
	Limits *Limits
	// FirstCall is how long a client may take until its first call; 0 for as long as it likes.
	FirstCall time.Duration
}

// maxStreams bounds the calls of one connection: further ones wait in the client. A client
// has about three for each build.
const maxStreams = 500

// errSilent ends a connection over which no call was made.
var errSilent = errors.New("no call was made over the connection")

// Service is a service of a session that is answered on this side.
type Service struct {
	// Desc describes it.
	Desc *grpc.ServiceDesc
	// Handles says of a call's first message whether it is answered here rather than
	// by the client; nil answers all.
	Handles func(message proto.Message) bool
	// New makes an empty message for the request of a method, by its name in Desc.
	New func(method string) proto.Message
	// Impl answers.
	Impl any
}

// Dial makes the connection to the buildkitd that a client's calls go to. affinity is
// what the first of them says of the choice among several; empty for nothing.
type Dial func(ctx context.Context, affinity string) (net.Conn, error)

// Serve serves a client's connection until one of both sides ends or ctx does, and
// closes it. The daemon is dialled at the first call: who only connects costs no
// connection to it. All calls go to the one connection. Where a dial fails, so do the
// calls that waited for it; a later one dials again.
func (r *Relay) Serve(ctx context.Context, down net.Conn, dial Dial) error {
	ctx, cancel := context.WithCancelCause(ctx)
	one := newSingle(down)
	memory := r.Limits.open(func() { cancel(ErrMemory) })
	defer memory.close()
	to := &daemon{dial: dial, memory: memory, lost: func() { cancel(errLost) }}
	defer to.close()
	defer cancel(nil) // before that, it ends a dial that runs
	called := func() bool { return true }
	options := append(serverOptions(), experimental.BufferPool(memory))
	if r.FirstCall > 0 {
		called = time.AfterFunc(r.FirstCall, func() { cancel(errSilent) }).Stop
		defer called()
		options = append(options, grpc.ConnectionTimeout(r.FirstCall))
	}
	server := grpc.NewServer(append(options, grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		called()
		end, err := r.Limits.begin()
		if err != nil {
			return err
		}
		defer end()
		return r.call(ctx, stream, to)
	}))...)
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), errLost) { // its calls have failed: they tell of it
			server.GracefulStop()
		} else {
			server.Stop()
		}
	})
	defer stop()
	err := server.Serve(one)
	server.Stop()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case one.ended():
		return nil
	}
	return err
}

// errLost ends a client's connection whose daemon is gone: another one knows nothing
// of what the client has begun.
var errLost = errors.New("the connection to buildkitd is gone")

// redialPause is the time after a dial that has failed in which calls get its error,
// so that a client that repeats a call at once does not make the relay dial as fast.
// BuildKit's own client waits a second before it repeats one
// (https://github.com/moby/buildkit/blob/v0.34.2/client/client.go, Wait).
const redialPause = 500 * time.Millisecond

// daemon is the connection of a client's calls, made at the first one.
type daemon struct {
	dial   Dial
	memory *account
	lost   func()

	mu   sync.Mutex // held while a dial runs
	conn *grpc.ClientConn
	// err is that of the last dial, which ended at failed; nil for none.
	err    error
	failed time.Time
}

// get returns the connection. gRPC's clients keep theirs when a call fails with
// Unavailable and repeat the call, so the next one dials again.
func (d *daemon) get(ctx context.Context, affinity string) (*grpc.ClientConn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.conn != nil:
		return d.conn, nil
	case ctx.Err() != nil: // the client is gone, or a shutdown has ended it
		return nil, status.FromContextError(ctx.Err()).Err()
	case d.err != nil && time.Since(d.failed) < redialPause:
		return nil, d.err
	}
	conn, err := d.dial(ctx, affinity)
	if err == nil {
		d.conn, err = clientOn(&notifyingConn{Conn: conn, closed: d.lost}, experimental.WithBufferPool(d.memory))
		if err == nil {
			return d.conn, nil
		}
		d.conn = nil
		_ = conn.Close() // nothing was asked of it
	}
	d.err, d.failed = status.Errorf(codes.Unavailable, "slipway agent: %v", err), time.Now()
	return nil, d.err
}

func (d *daemon) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		_ = d.conn.Close() // nothing runs over it any more
	}
}

// serverOptions are those of all servers here.
func serverOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(4 * window),
		grpc.MaxConcurrentStreams(maxStreams), grpc.MaxHeaderListSize(maxHeaders),
	}
}

// clientOn returns a client on a connection that stands. It makes no other one.
func clientOn(conn net.Conn, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	used := make(chan struct{}, 1)
	used <- struct{}{}
	return grpc.NewClient("passthrough:///relay", append(options,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			select {
			case <-used:
				return conn, nil
			default:
				return nil, net.ErrClosed
			}
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(4*window),
	)...)
}

// call passes one call of a client on. ctx is that of the connection.
func (r *Relay) call(ctx context.Context, stream grpc.ServerStream, to *daemon) error {
	name, _ := grpc.MethodFromServerStream(stream)
	m, known := methods[name]
	if !known {
		if r.Unknown != nil {
			r.Unknown(name)
		}
		return refuse("slipway agent: %s is not passed on", name)
	}
	if len(r.Interceptors) == 0 {
		return r.pass(ctx, stream, to, name, nil, nil)
	}
	return r.intercept(ctx, stream, to, name, m)
}

// pass passes a call on to the daemon. ctx is that of the connection. first is what was
// read of the call already; nil for nothing. answer gets the last message of the daemon,
// if it is not nil.
func (r *Relay) pass(ctx context.Context, stream grpc.ServerStream, to *daemon, name string, first *frame, answer proto.Message) error {
	affinity := ""
	if r.Affinity != "" {
		affinity = strings.Join(metadata.ValueFromIncomingContext(stream.Context(), r.Affinity), ",") //nolint:contextcheck // a call has the context of its stream
	}
	daemon, err := to.get(ctx, affinity)
	switch {
	case err != nil:
		return err
	case methods[name].session && r.Services != nil:
		return r.session(stream, daemon) //nolint:contextcheck // a call has the context of its stream
	}
	return forward(stream, daemon, name, first, answer) //nolint:contextcheck // a call has the context of its stream
}
