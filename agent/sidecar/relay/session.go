package relay

import (
	"context"
	"path"
	"slices"
	"strings"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/session/grpchijack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/internal/fault"
)

// exposed is the metadata in which a session names the methods that the daemon may
// call (https://github.com/moby/buildkit/blob/v0.34.2/session/session.go).
const exposed = "x-docker-expose-session-grpc-method"

// session serves a client's session: the daemon calls this side, which passes its
// calls on to the client, but for those that it answers itself.
func (r *Relay) session(stream grpc.ServerStream, daemon *grpc.ClientConn) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	down := newTunnel(stream)
	defer func() { _ = down.Close() }()
	meta, _ := metadata.FromIncomingContext(ctx)
	client, err := clientOn(down)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	var own []Service
	if r.Services != nil {
		own = r.Services(ctx)
	}
	names := slices.Clone(meta[exposed])
	meta = outgoing(meta)
	for _, service := range own {
		for _, m := range service.Desc.Methods {
			if name := "/" + service.Desc.ServiceName + "/" + m.MethodName; !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
				meta[exposed] = append(meta[exposed], name)
			}
		}
	}
	up, err := grpchijack.Dialer(control.NewControlClient(daemon))(ctx, "h2c", meta)
	if err != nil {
		return err
	}
	server := grpc.NewServer(append(serverOptions(), grpc.UnknownServiceHandler(func(_ any, call grpc.ServerStream) error {
		name, _ := grpc.MethodFromServerStream(call)
		return answer(call, client, name, own, slices.Contains(names, name))
	}))...)
	stopServer := context.AfterFunc(ctx, server.Stop)
	defer stopServer()
	one := newSingle(up)
	go fault.Protect(func() { cancelOn(ctx, down.ended(), cancel) })()
	client.Connect()      // so that the client's end is noticed where the daemon asks nothing
	_ = server.Serve(one) // it ends with the connection, of which the stream tells
	server.Stop()
	return nil
}

// answer answers a call of the daemon: by a service of this side that handles it,
// else by the client if it exposes the method.
func answer(call grpc.ServerStream, client *grpc.ClientConn, name string, own []Service, exposes bool) error {
	for _, service := range own {
		if path.Dir(name) != "/"+service.Desc.ServiceName {
			continue
		}
		first := new(frame)
		if err := call.RecvMsg(first); err != nil {
			return err
		}
		request := service.New(path.Base(name))
		if request == nil || newCodec().Unmarshal(first.data, request) != nil {
			first.data.Free()
			return status.Errorf(codes.InvalidArgument, "slipway agent: %s: the request cannot be read", name)
		}
		if service.Handles == nil || service.Handles(request) || !exposes {
			return service.unary(call, path.Base(name), first)
		}
		return forward(call, client, name, first, nil)
	}
	return forward(call, client, name, nil, nil)
}

// unary answers a call with one message each way by the service's own handler.
func (s Service) unary(call grpc.ServerStream, name string, request *frame) error {
	defer request.data.Free()
	for _, m := range s.Desc.Methods {
		if m.MethodName != name {
			continue
		}
		response, err := m.Handler(s.Impl, call.Context(), func(v any) error { return newCodec().Unmarshal(request.data, v) }, nil)
		if err != nil {
			return err
		}
		return call.SendMsg(response)
	}
	return status.Errorf(codes.Unimplemented, "slipway agent: there is no method %s", name)
}
