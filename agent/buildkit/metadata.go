package buildkit

import (
	"context"

	"github.com/moby/buildkit/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// Metadata has every request to buildkitd carry the value under the name, for what is
// between; buildkitd does not look at it. An empty value is not sent.
func Metadata(name, value string) ConnectOption {
	if value == "" {
		return nil
	}
	unary := func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		return invoke(metadata.AppendToOutgoingContext(ctx, name, value), method, req, reply, conn, opts...)
	}
	stream := func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		return streamer(metadata.AppendToOutgoingContext(ctx, name, value), desc, conn, method, opts...)
	}
	return ConnectOption{
		client.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(unary)),
		client.WithGRPCDialOption(grpc.WithChainStreamInterceptor(stream)),
	}
}
