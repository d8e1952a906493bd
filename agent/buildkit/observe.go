package buildkit

import (
	"context"

	"github.com/moby/buildkit/client"
	"google.golang.org/grpc"
)

// ConnectOption changes how Connect connects.
type ConnectOption []client.ClientOpt

// Observe has f called when a request to buildkitd begins, with its method;
// what f returns is called when it ends. A stream ends with its last message. A
// nil f observes nothing.
func Observe(f func(method string) func()) ConnectOption {
	if f == nil {
		return nil
	}
	unary := func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		defer f(method)()
		return invoke(ctx, method, req, reply, conn, opts...)
	}
	stream := func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		end := f(method)
		s, err := streamer(ctx, desc, conn, method, append(opts, grpc.OnFinish(func(error) { end() }))...)
		if err != nil {
			end()
		}
		return s, err
	}
	return ConnectOption{
		client.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(unary)),
		client.WithGRPCDialOption(grpc.WithChainStreamInterceptor(stream)),
	}
}
