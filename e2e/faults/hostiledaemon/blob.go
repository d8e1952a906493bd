package hostiledaemon

import (
	"context"

	content "github.com/containerd/containerd/api/services/content/v1"
	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc"
)

// Blobs serves the same content under every digest.
type Blobs struct {
	content.UnimplementedContentServer
	// Size is what it says of the size, which need not be that of the content.
	Size int64
	// Content is sent from the beginning of the part that is asked for.
	Content []byte
	// Endless sends the content again and again.
	Endless bool
	// Reading, if set, is called when a part is asked for.
	Reading func(content.Content_ReadServer) error
}

// Info implements content.ContentServer.
func (b Blobs) Info(_ context.Context, req *content.InfoRequest) (*content.InfoResponse, error) {
	return &content.InfoResponse{Info: &content.Info{Digest: req.Digest, Size: b.Size}}, nil
}

// Read implements content.ContentServer.
func (b Blobs) Read(req *content.ReadContentRequest, stream content.Content_ReadServer) error {
	if b.Reading != nil {
		return b.Reading(stream)
	}
	rest := b.Content[min(req.Offset, int64(len(b.Content))):]
	for {
		for at := 0; at < len(rest); at += chunk {
			if err := stream.Send(&content.ReadContentResponse{Offset: req.Offset + int64(at), Data: rest[at:min(len(rest), at+chunk)]}); err != nil {
				return err
			}
		}
		if !b.Endless {
			return nil
		}
	}
}

// Recorded is a history that holds one record of the build that is asked for,
// with a provenance of this digest and size.
func Recorded(digest string, size int64) func(*control.BuildHistoryRequest, grpc.ServerStreamingServer[control.BuildHistoryEvent]) error {
	return func(req *control.BuildHistoryRequest, stream grpc.ServerStreamingServer[control.BuildHistoryEvent]) error {
		return stream.Send(&control.BuildHistoryEvent{Type: control.BuildHistoryEventType_COMPLETE, Record: &control.BuildHistoryRecord{
			Ref: req.Ref,
			Result: &control.BuildResultInfo{Attestations: []*control.Descriptor{{
				MediaType: "application/vnd.in-toto+json", Digest: digest, Size: size,
				Annotations: map[string]string{"in-toto.io/predicate-type": "https://slsa.dev/provenance/v1"},
			}}},
		}})
	}
}
