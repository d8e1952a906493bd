package relay

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/slipway-build/slipway/internal/fault"
)

// anyStream describes every call: a unary one has one message each way.
var anyStream = &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}

// forward passes a call on to a method of another connection, until one of both
// sides ends it. first is what was read of the call already; nil for nothing. answer gets
// the last message that comes back; nil for none.
func forward(down grpc.ServerStream, to grpc.ClientConnInterface, method string, first *frame, answer proto.Message) error {
	ctx, cancel := context.WithCancel(down.Context())
	defer cancel() // ends the sending when the daemon has ended the call
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		ctx = metadata.NewOutgoingContext(ctx, outgoing(md))
	}
	up, err := to.NewStream(ctx, anyStream, method, grpc.ForceCodecV2(newCodec()))
	if err != nil {
		return err
	}
	return both(cancel, func() error { return send(up, down, first) }, func() error { return receive(down, up, answer) })
}

// both passes messages on in both directions until receive ends, which says how the call has
// ended, or send fails: then the client is gone, or has sent what cannot be read. cancel ends
// the call.
func both(cancel context.CancelFunc, send, receive func() error) error {
	sent := make(chan error, 1)
	go fault.Protect(func() { sent <- send() })()
	var ended error
	received := make(chan struct{})
	go fault.Protect(func() {
		defer close(received)
		ended = receive()
	})()
	select {
	case <-received:
	case err := <-sent:
		if err != nil {
			cancel()
			<-received
			return err
		}
		<-received
	}
	return ended
}

// outgoing is the metadata of a call without what gRPC adds to each connection
// itself.
func outgoing(md metadata.MD) metadata.MD {
	md = md.Copy()
	for _, name := range []string{":authority", "content-type", "user-agent", "grpc-accept-encoding"} {
		md.Delete(name)
	}
	return md
}

// send passes the client's messages on, then the end of them.
func send(up grpc.ClientStream, down grpc.ServerStream, first *frame) error {
	for next := first; ; next = nil {
		if next == nil {
			next = new(frame)
			if err := down.RecvMsg(next); errors.Is(err, io.EOF) {
				return up.CloseSend()
			} else if err != nil {
				return err
			}
		}
		if err := up.SendMsg(next); err != nil {
			if errors.Is(err, io.EOF) { // the call has ended, and receiving says how
				return nil
			}
			return err
		}
	}
}

// receive passes the daemon's answer on, and reads its last message into answer if that
// is not nil. What it returns ends the call.
func receive(down grpc.ServerStream, up grpc.ClientStream, answer proto.Message) error {
	header, err := up.Header()
	if err == nil {
		err = down.SetHeader(outgoing(header))
	}
	for err == nil {
		message := new(frame)
		if err = up.RecvMsg(message); err == nil && answer != nil {
			err = newCodec().Unmarshal(message.data, answer)
		}
		if err == nil {
			err = down.SendMsg(message)
		}
	}
	down.SetTrailer(up.Trailer())
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// refuse is the error of a call that is not passed on.
func refuse(format string, args ...any) error {
	return status.Errorf(codes.PermissionDenied, format, args...)
}
