package relay

import (
	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that messages fall back to
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
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

// messageHead is the most that a BytesMessage has before its bytes: a tag and their number.
const messageHead = 6

// bytes calls each with the pieces of the bytes of a BytesMessage, without copying them.
func (f *frame) bytes(each func([]byte) error) error {
	if len(f.data) > 0 {
		first := f.data[0].ReadOnlyData()
		number, kind, tag := protowire.ConsumeTag(first)
		if tag > 0 && number == 1 && kind == protowire.BytesType {
			size, n := protowire.ConsumeVarint(first[tag:])
			if n > 0 && uint64(f.data.Len()-tag-n) == size {
				for i, piece := range f.data {
					b := piece.ReadOnlyData()
					if i == 0 {
						b = b[tag+n:]
					}
					if err := each(b); err != nil {
						return err
					}
				}
				return nil
			}
		}
	}
	var m control.BytesMessage // one that is written in another way
	if err := newCodec().Unmarshal(f.data, &m); err != nil {
		return err
	}
	return each(m.Data)
}

// message collects the bytes of a BytesMessage.
type message struct {
	data   []byte // with place for what is before the bytes
	buffer *[]byte
}

// newMessage returns a message for about size bytes.
func newMessage(size int) *message {
	buffer := pooled.Get(messageHead + size + 64)
	return &message{data: (*buffer)[:messageHead], buffer: buffer}
}

func (m *message) add(b []byte) { m.data = append(m.data, b...) }

// frame returns the message. Nothing is added to it afterwards.
func (m *message) frame() *frame {
	var before [messageHead]byte
	tag := protowire.AppendVarint(protowire.AppendTag(before[:0], 1, protowire.BytesType), uint64(len(m.data)-messageHead))
	begin := messageHead - len(tag)
	copy(m.data[begin:], tag)
	*m.buffer = m.data
	whole := mem.NewBuffer(m.buffer, pooled)
	defer whole.Free()
	return &frame{data: mem.BufferSlice{whole.Slice(begin, len(m.data))}}
}
