package relay

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that messages fall back to
	"google.golang.org/grpc/mem"
)

// frame is a message that is passed on as it came. It is sent once.
type frame struct{ data mem.BufferSlice }

// codec passes frames on without looking at them. Messages that this side reads or
// writes itself are of protocol buffers, as everywhere else.
type codec struct{ encoding.CodecV2 }

// newCodec returns a codec with gRPC's own for messages.
func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// Marshal implements encoding.CodecV2. gRPC frees what it returns.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*frame); ok {
		return f.data, nil
	}
	return c.CodecV2.Marshal(v)
}

// Unmarshal implements encoding.CodecV2. gRPC frees its data after the call, so a
// frame holds a reference of its own.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if f, ok := v.(*frame); ok {
		data.Ref()
		f.data = data
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}
