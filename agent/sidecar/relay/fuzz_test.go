package relay

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"golang.org/x/net/http2"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// FuzzFrames feeds the frames of a client and of a daemon, and reads what the other side
// gets: whatever is sent, that is frames, and not much more than was sent.
func FuzzFrames(f *testing.F) {
	seed := func(write func(*side)) []byte {
		s := newSide()
		s.AllowIllegalWrites = true
		write(s)
		return bytes.Clone(s.wrote.Bytes())
	}
	call := seed(func(s *side) {
		_ = s.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
		_ = s.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: s.compressed(":path", fetchToken, ":method", "POST", "content-type", "application/grpc"), EndHeaders: true, PadLength: 3})
		_ = s.WriteData(1, true, tokenRequest("own.example"))
		_ = s.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: s.compressed(":path", fetchToken), EndHeaders: true})
		_ = s.WriteData(3, true, tokenRequest("other.example"))
	})
	answer := seed(func(s *side) {
		_ = s.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: s.compressed(":status", "200")})
		_ = s.WriteContinuation(1, true, nil)
		_ = s.WriteData(1, false, []byte("data"))
		_ = s.WriteWindowUpdate(1, 10)
		_ = s.WriteRSTStream(1, http2.ErrCodeCancel)
		_ = s.WritePing(true, [8]byte{})
		_ = s.WriteGoAway(1, http2.ErrCodeNo, nil)
	})
	f.Add(call, answer)
	f.Add(answer, call)
	f.Add([]byte{}, bytes.Repeat([]byte{0}, 30))
	f.Fuzz(func(t *testing.T, fromDaemon, fromClient []byte) {
		e := newEnds(t)
		_ = e.daemon.sendBytes(fromDaemon)
		ended := make(chan struct{})
		go func() { // it may wait for a window that the daemon does not give
			defer close(ended)
			_ = e.client.sendBytes(fromClient)
		}()
		select {
		case <-ended:
		case <-time.After(20 * time.Millisecond):
		}
		e.link.end()
		<-ended
		for _, s := range []*side{e.client, e.daemon} {
			if n, sent := s.arrived.Len(), len(fromDaemon)+len(fromClient); n > 200*(sent+10) {
				t.Errorf("%d bytes have become %d", sent, n)
			}
			if err := newFrameReader(anything{t}, "").feed(s.arrived.Bytes()); err != nil {
				t.Errorf("what is passed on cannot be read: %v", err)
			}
		}
	})
}

// anything takes all frames.
type anything struct{ t *testing.T }

func (anything) data(head) (fate, error)   { return drop, nil }
func (anything) piece([]byte, bool) error  { return nil }
func (a anything) headers(h headers) error { return nil }
func (a anything) control(h head, payload []byte) error {
	if err := checkControl(h, payload); err != nil {
		a.t.Errorf("a frame that is passed on: %v", err)
	}
	return nil
}

// FuzzBytesMessage compares what is read of a BytesMessage with what protocol buffers read.
func FuzzBytesMessage(f *testing.F) {
	f.Add([]byte("\x0a\x03abc"), uint8(1))
	f.Add([]byte("\x0a\x01x\x0a\x83\x00abc"), uint8(9))
	f.Fuzz(func(t *testing.T, wire []byte, cut uint8) {
		n := min(int(cut), len(wire))
		pieces := &frame{data: mem.BufferSlice{mem.SliceBuffer(wire[:n]), mem.SliceBuffer(wire[n:])}}
		var got []byte
		err := pieces.bytes(func(b []byte) error {
			got = append(got, b...)
			return nil
		})
		want, wantErr := bytesOf(wire)
		if (err != nil) != (wantErr != nil) || err == nil && !bytes.Equal(got, want) {
			t.Errorf("%q cut at %d: %q, %v, want %q, %v", wire, n, got, err, want, wantErr)
		}
	})
}

// FuzzSessionMetadata reads the methods that a session says it exposes.
func FuzzSessionMetadata(f *testing.F) {
	f.Add("/moby.filesync.v1.Auth/FetchToken,/moby.filesync.v1.auth/credentials")
	f.Add(",,\x00ſ/K")
	own := ownServices(tokens{})(context.Background())
	f.Fuzz(func(t *testing.T, list string) {
		given := metadata.MD{exposed: strings.Split(list, ",")}
		names := expose(given[exposed], own)
		for _, m := range own[0].Desc.Methods {
			if !containsFold(names, "/"+own[0].Desc.ServiceName+"/"+m.MethodName) {
				t.Errorf("%q lacks %s", names, m.MethodName)
			}
		}
		for i, name := range given[exposed] {
			if names[i] != name {
				t.Errorf("name %d is %q, was %q", i, names[i], name)
			}
		}
		if len(names) > len(given[exposed])+len(own[0].Desc.Methods) {
			t.Errorf("%q has become %q", given[exposed], names)
		}
	})
}

// bytesOf are the bytes of a BytesMessage, as protocol buffers read it.
func bytesOf(wire []byte) ([]byte, error) {
	var m control.BytesMessage
	err := proto.Unmarshal(wire, &m)
	return m.Data, err
}
