package contextfs

import (
	"errors"
	"io"
	"testing"

	fstypes "github.com/tonistiigi/fsutil/types"
)

// scriptedStream brings packets, then an error.
type scriptedStream struct {
	deafStream
	packets []*fstypes.Packet
	err     error
	drained chan struct{} // closed when nothing is left
}

func (s *scriptedStream) RecvMsg(m any) error {
	if len(s.packets) == 0 {
		close(s.drained)
		return s.err
	}
	packet, _ := m.(*fstypes.Packet)
	next := s.packets[0]
	packet.Type, packet.ID, packet.Data = next.Type, next.ID, next.Data
	if s.packets = s.packets[1:]; len(s.packets) == 0 && s.err == nil {
		close(s.drained)
	}
	return nil
}

// All requests leave the stream however few the sender has taken.
func TestRequestsAreTakenAtOnce(t *testing.T) {
	const count = 1000
	lost := errors.New("connection lost")
	refusal := &fstypes.Packet{Type: fstypes.PACKET_ERR, Data: []byte("no space left")}
	for _, tt := range []struct {
		name string
		last *fstypes.Packet
		err  error
	}{
		{"the transfer ends", &fstypes.Packet{Type: fstypes.PACKET_FIN}, nil},
		{"the daemon fails", refusal, nil},
		{"the stream breaks", nil, lost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stream := &scriptedStream{deafStream: deafStream{t.Context()}, err: tt.err, drained: make(chan struct{})}
			for i := range count {
				stream.packets = append(stream.packets, &fstypes.Packet{Type: fstypes.PACKET_REQ, ID: uint32(i)})
			}
			if tt.last != nil {
				stream.packets = append(stream.packets, tt.last)
			}
			r := newRequests()
			for i := range count {
				var got fstypes.Packet
				must(t, r.next(stream, &got))
				if got.Type != fstypes.PACKET_REQ || got.ID != uint32(i) {
					t.Fatalf("packet %d is %s of %d", i, got.Type, got.ID)
				}
				if i == 0 {
					<-stream.drained
				}
			}
			var got fstypes.Packet
			if tt.last != nil {
				must(t, r.next(stream, &got))
				if got.Type != tt.last.Type || string(got.Data) != string(tt.last.Data) {
					t.Errorf("the last packet is %s with %q", got.Type, got.Data)
				}
			}
			after := tt.err
			if after == nil {
				after = io.EOF
			}
			if err := r.next(stream, &got); !errors.Is(err, after) {
				t.Errorf("after the end: %v, want %v", err, after)
			}
		})
	}
}
