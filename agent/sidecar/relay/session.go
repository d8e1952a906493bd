package relay

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// exposed is the metadata in which a session names the methods that the daemon may
// call (https://github.com/moby/buildkit/blob/v0.34.2/session/session.go).
const exposed = "x-docker-expose-session-grpc-method"

// session passes a client's session on, but for the calls of the daemon that are answered
// on this side.
func (r *Relay) session(down grpc.ServerStream, to grpc.ClientConnInterface) error {
	ctx, cancel := context.WithCancel(down.Context())
	defer cancel()
	own := r.Services(ctx)
	meta, _ := metadata.FromIncomingContext(ctx)
	names := meta[exposed]
	meta = outgoing(meta)
	meta[exposed] = expose(names, own)
	up, err := to.NewStream(metadata.NewOutgoingContext(ctx, meta), anyStream, control.Control_Session_FullMethodName, grpc.ForceCodecV2(newCodec()))
	if err != nil {
		return err
	}
	l := newLink(ctx, own, func(name string) bool { return containsFold(names, name) },
		func(f *frame) error { return up.SendMsg(f) }, func(f *frame) error { return down.SendMsg(f) })
	defer l.end()
	defer cancel() // answers wait for it
	sending, receiving := l.newFromClient(), l.newFromDaemon()
	return both(cancel,
		func() error { return sendSession(up, down, sending.feedFrame) },
		func() error { return receiveSession(down, up, receiving.feedFrame) })
}

// expose adds the methods of services to those that a session exposes.
func expose(names []string, own []Service) []string {
	names = slices.Clone(names)
	for _, service := range own {
		for _, m := range service.Desc.Methods {
			if name := "/" + service.Desc.ServiceName + "/" + m.MethodName; !containsFold(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func containsFold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// sendSession reads the client's messages, then passes on their end.
func sendSession(up grpc.ClientStream, down grpc.ServerStream, feed func(*frame) error) error {
	for {
		message := new(frame)
		err := down.RecvMsg(message)
		if errors.Is(err, io.EOF) {
			return up.CloseSend()
		}
		if err == nil {
			err = feed(message)
		}
		switch {
		case errors.Is(err, io.EOF): // the call has ended, and receiving says how
			return nil
		case err != nil:
			return brokenSession("client", err)
		}
	}
}

// receiveSession reads the daemon's messages. What it returns ends the call.
func receiveSession(down grpc.ServerStream, up grpc.ClientStream, feed func(*frame) error) error {
	header, err := up.Header()
	if err == nil {
		err = down.SetHeader(outgoing(header))
	}
	for err == nil {
		message := new(frame)
		if err = up.RecvMsg(message); err == nil {
			if err = feed(message); err != nil {
				return brokenSession("daemon", err)
			}
		}
	}
	down.SetTrailer(up.Trailer())
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// brokenSession is the error of a session in which a side does not speak HTTP/2. Those of
// gRPC stay as they are.
func brokenSession(side string, err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Errorf(codes.InvalidArgument, "slipway agent: the session cannot be read: the %s has sent: %v", side, err)
}
