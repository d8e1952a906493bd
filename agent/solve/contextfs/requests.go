package contextfs

import (
	"io"
	"sync"

	"github.com/moby/buildkit/session/filesync"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/slipway-build/slipway/internal/fault"
)

// requests are what the daemon asks for, taken from the stream as it comes. The
// sender takes no more than it can send, and gRPC keeps each message that
// nobody has taken in a buffer of 16 KiB, although a request has ten bytes: the
// daemon asks for the files of a large context much faster than they are sent,
// and the agent's memory filled with buffers.
type requests struct {
	begin sync.Once
	more  chan struct{} // has an element when there may be something new

	mu   sync.Mutex
	ids  []uint32        // files that are asked for, in order
	last *fstypes.Packet // the end of the transfer that came after them
	err  error           // why nothing comes after that
}

func newRequests() *requests { return &requests{more: make(chan struct{}, 1)} }

// take moves requests from the stream until the daemon ends the transfer. It
// returns at the latest when the stream ends, which is when the handler of the
// transfer has returned.
func (r *requests) take(stream filesync.FileSync_DiffCopyServer) {
	for ended := false; !ended; {
		packet := &fstypes.Packet{}
		err := stream.RecvMsg(packet)
		r.mu.Lock()
		switch {
		case err != nil:
			r.err, ended = err, true
		case packet.Type == fstypes.PACKET_REQ:
			r.ids = append(r.ids, packet.ID)
		case packet.Type == fstypes.PACKET_FIN, packet.Type == fstypes.PACKET_ERR:
			r.last, r.err, ended = packet, io.EOF, true
		}
		r.mu.Unlock()
		select {
		case r.more <- struct{}{}:
		default:
		}
	}
}

// next returns the next packet as RecvMsg does. It is called from one
// goroutine at a time.
func (r *requests) next(stream filesync.FileSync_DiffCopyServer, packet *fstypes.Packet) error {
	r.begin.Do(func() { go fault.Protect(func() { r.take(stream) })() })
	for {
		r.mu.Lock()
		switch {
		case len(r.ids) > 0:
			packet.Type, packet.ID = fstypes.PACKET_REQ, r.ids[0]
			r.ids = r.ids[1:]
			r.mu.Unlock()
			return nil
		case r.last != nil:
			packet.Type, packet.Data = r.last.Type, r.last.Data
			r.last = nil
			r.mu.Unlock()
			return nil
		case r.err != nil:
			err := r.err
			r.mu.Unlock()
			return err
		}
		r.mu.Unlock()
		<-r.more
	}
}
