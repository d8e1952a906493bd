package relay

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/slipway-build/slipway/agent/sidecar/peer"
)

// Call is a call of a client.
type Call struct {
	// Method is its full name, such as /moby.buildkit.v1.Control/Solve.
	Method string
	// Metadata is that of the call.
	Metadata metadata.MD
	// Request is the first message of the call; nil for sessions, and for methods of
	// which nothing is read. Unknown fields are kept in it.
	Request proto.Message
	// Rewritten says that an interceptor has changed Request: the daemon gets it as it
	// is then, rather than what the client has sent.
	Rewritten bool
	// Answer is called with each message of the daemon that is read, before the client
	// gets it, one after the other; nil for nothing. An error ends the call.
	Answer func(proto.Message) error

	stream *interceptedStream
}

// Send sends the client a message of this side, before those of the daemon or among them.
func (c *Call) Send(message proto.Message) error { return c.stream.send(message) }

// Handler passes a call on, and returns when it has ended. answer is the daemon's, where
// it is read: that of a Solve. The end of ctx ends the call.
type Handler func(ctx context.Context) (answer proto.Message, err error)

// Interceptor handles a call: it calls next, at most once, to pass the call on. An error
// without that refuses the call; status.Errorf chooses its code. ctx has the peer of the
// connection (package peer), and the incoming metadata. It may be called by several
// goroutines.
type Interceptor func(ctx context.Context, call *Call, next Handler) (answer proto.Message, err error)

// intercept passes a call on through the interceptors. conn is the context of the
// connection.
func (r *Relay) intercept(conn context.Context, stream grpc.ServerStream, to *daemon, name string, m method) error {
	md, _ := metadata.FromIncomingContext(stream.Context()) //nolint:contextcheck // a call has the context of its stream
	call := &Call{Method: name, Metadata: md}
	call.stream = &interceptedStream{ServerStream: stream, call: call, answer: m.answer}
	var first *frame
	if m.request != nil {
		first = new(frame)
		if err := stream.RecvMsg(first); err != nil {
			return err
		}
		call.Request = m.request()
		if err := newCodec().Unmarshal(first.data, call.Request); err != nil {
			first.data.Free()
			return refuse("slipway agent: %s: %v", name, err)
		}
	}
	next := func(ctx context.Context) (proto.Message, error) {
		var answer proto.Message
		if m.answer != nil {
			answer = m.answer()
		}
		passed := first
		first = nil
		if call.Rewritten {
			data, err := newCodec().Marshal(call.Request)
			if err != nil {
				return nil, err
			}
			passed.data.Free()
			passed.data = data
		}
		if err := r.pass(conn, call.stream.in(ctx), to, name, passed, answer); err != nil {
			return nil, err
		}
		return answer, nil
	}
	for i := len(r.Interceptors) - 1; i >= 0; i-- {
		interceptor, inner := r.Interceptors[i], next
		next = func(ctx context.Context) (proto.Message, error) { return interceptor(ctx, call, inner) }
	}
	_, err := next(peer.With(stream.Context(), peer.From(conn))) //nolint:contextcheck // a call has the context of its stream
	if first != nil {
		first.data.Free() // nobody has passed it on
	}
	return err
}

// interceptedStream is the client's side of a call, as interceptors want it.
type interceptedStream struct {
	grpc.ServerStream
	call   *Call
	answer func() proto.Message // nil where nothing is read

	mu   sync.Mutex // held while a message is sent: the daemon's or one of this side
	sent bool       // a message of this side: the header has gone with it
}

// streamIn is a call with the context that interceptors have made for it.
type streamIn struct {
	*interceptedStream
	ctx context.Context //nolint:containedctx // grpc.ServerStream has it so
}

// in is the stream with a context.
func (s *interceptedStream) in(ctx context.Context) streamIn { return streamIn{s, ctx} }

// Context implements grpc.ServerStream.
func (s streamIn) Context() context.Context { return s.ctx }

func (s *interceptedStream) send(message proto.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = true
	return s.ServerStream.SendMsg(message)
}

// SetHeader implements grpc.ServerStream. The daemon's header is lost after a message of
// this side.
func (s *interceptedStream) SetHeader(md metadata.MD) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent {
		return nil
	}
	return s.ServerStream.SetHeader(md)
}

// SendMsg implements grpc.ServerStream.
func (s *interceptedStream) SendMsg(message any) error {
	if f, ok := message.(*frame); ok && s.answer != nil && s.call.Answer != nil {
		answer := s.answer()
		err := newCodec().Unmarshal(f.data, answer)
		if err == nil {
			err = s.call.Answer(answer)
		}
		if err != nil {
			f.data.Free()
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ServerStream.SendMsg(message)
}
